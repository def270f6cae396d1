"""Values of tags."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 256


def tag_value(text: str) -> str:
    """Only characters that a tag of ECS may have, and not more than 256."""
    allowed = "".join(each if each.isalnum() or each in " +-=._:/@" else "-" for each in text)
    return allowed[:_LONGEST]
