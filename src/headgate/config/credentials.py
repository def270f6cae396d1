"""What MLflow is shown of who asks, where it runs with an authentication of its own."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from headgate.config.section import Section


class CredentialPolicy(enum.StrEnum):
    """What becomes of the client's ``Authorization`` on its way to MLflow."""

    STRIP = "strip"
    REPLACE = "replace"
    PASS = "pass"  # noqa: S105 - no secret, a policy


class Credentials(Section):
    """What MLflow is shown, where it asks for credentials itself; a reload reads the files."""

    policy: CredentialPolicy = Field(
        CredentialPolicy.STRIP,
        description="`strip`: MLflow is shown no credential. `replace`: the gate's own, "
        "by `token_file`, or by `username` and `password_file`. `pass`: it is shown the client's "
        "`Authorization` and `Cookie` as they came. With `auth.mode` `keys` that is a key of this "
        "gate, and whoever can read MLflow's log can use it: only for what may know it, such as a "
        "gate behind this one.",
    )
    username: str | None = Field(None, description="User name of the gate at MLflow.")
    password_file: Path | None = Field(None, description="File with the password of that user.")
    token_file: Path | None = Field(None, description="File with a token, sent as `Bearer`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        basic = (self.username is not None, self.password_file is not None)
        if self.policy is not CredentialPolicy.REPLACE:
            if any(basic) or self.token_file is not None:
                raise ValueError("user, password and token are of use with policy 'replace' alone")
        elif basic not in ((True, True), (False, False)) or any(basic) == bool(self.token_file):
            raise ValueError("'replace' needs token_file, or username and password_file")
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("username may hold neither ':' nor control characters")
        return self
