"""The settings of a role."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from headgate.config.section import Section, listed
from headgate.policy import parse_grant


def _checked(text: str) -> str:
    parse_grant(text)  # raises a ValueError that says where the text goes wrong
    return text


GrantText = Annotated[str, AfterValidator(_checked)]


class Role(Section):
    """A role of your own, besides those built in."""

    grants: Annotated[tuple[GrantText, ...], BeforeValidator(listed)] = Field(
        (), description="What the keys that have it may do, such as `read:runs`."
    )
    includes: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="Roles, built in or your own, all of whose grants this one has too."
    )
