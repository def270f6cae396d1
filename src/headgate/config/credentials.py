"""The credentials that the gate sends to an MLflow with its own authentication."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from headgate.config.section import Section


class CredentialPolicy(enum.StrEnum):
    """What the gate does with the client's ``Authorization``."""

    STRIP = "strip"
    REPLACE = "replace"
    PASS = "pass"  # noqa: S105 - no secret, a policy


class CredentialSettings(Section):
    """Credentials that the gate sends to MLflow. A reload reads the files again."""

    policy: CredentialPolicy = Field(
        CredentialPolicy.STRIP,
        description="`strip`: send no credentials. `replace`: send the gate's own, from "
        "`token_file`, or from `username` and `password_file`. `pass`: forward the client's "
        "`Authorization` and `Cookie` unchanged. With `auth.mode` `keys` this forwards a key of "
        "this gate, which everybody who can read the upstream's log can use: only for an upstream "
        "that may know the keys, such as another gate.",
    )
    username: str | None = Field(None, description="The gate's user name at MLflow.")
    password_file: Path | None = Field(None, description="File with the password of this user.")
    token_file: Path | None = Field(None, description="File with a token, sent as `Bearer`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        basic = (self.username is not None, self.password_file is not None)
        if self.policy is not CredentialPolicy.REPLACE:
            if any(basic) or self.token_file is not None:
                raise ValueError(
                    "username, password_file and token_file have an effect only with policy "
                    "'replace'"
                )
        elif basic not in ((True, True), (False, False)) or any(basic) == bool(self.token_file):
            raise ValueError("'replace' needs token_file, or username and password_file")
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("username must not contain ':' or control characters")
        return self
