"""The settings of a role."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from headgate.config.section import Section, listed
from headgate.policy import parse_grant


def _checked(text: str) -> str:
    parse_grant(text)  # raises a ValueError with the column of the mistake
    return text


GrantText = Annotated[str, AfterValidator(_checked)]


class Role(Section):
    """A role of your own, in addition to the built-in ones."""

    grants: Annotated[tuple[GrantText, ...], BeforeValidator(listed)] = Field(
        (), description="Grants of the role, such as `read:runs`."
    )
    includes: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="Roles, built in or your own, whose grants this role also has."
    )
