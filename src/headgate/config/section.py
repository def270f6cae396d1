"""The base class of all tables of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

LONGEST_SECONDS = 10 * 365 * 86_400.0
LARGEST_NUMBER = 2**50
"""More than any number of bytes or objects that a machine has."""
Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of settings: immutable, and without unknown settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _plain_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Reject a boolean or a float where the setting is another kind of number."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
        if any(issubclass(kind, int | float) and kind is not bool for kind in kinds):
            if isinstance(value, bool):
                raise ValueError(f"must be a number, not {str(value).lower()}")
            is_whole = not any(issubclass(kind, float) for kind in kinds)
            if isinstance(value, float) and is_whole:
                raise ValueError(f"must be a whole number, not {value!r}")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _limit_numbers(cls, value: Any) -> Any:
        if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
            raise ValueError("is too large")
        return value


def listed(value: object) -> object:
    """Split a comma-separated list from an environment variable."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")] if value.strip() else []
    return value
