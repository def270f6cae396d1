"""What the tables of the configuration have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of settings: never changed, and none in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def listed(value: object) -> object:
    """A list in an environment variable: its items, separated by commas."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")] if value.strip() else []
    return value
