"""The values of which the documents of the admin API are made, and what all documents share."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

PAGE = 100
LARGEST_PAGE = 1000
LARGEST_IMPORT = 500
MOST_SECONDS = 100 * 365 * 86_400

State = Literal["active", "disabled", "expired", "revoked"]

# How long a text is at most.  What else it may be is for ``headgate.identity`` to say.
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=500)]
RoleNames = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=64)]], Field(max_length=100)
]
Narrowing = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=2000)]], Field(max_length=32)
]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=100)]

_RFC3339 = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$"


def seconds_of(timestamp: str) -> float:
    """Seconds since the epoch of a time as RFC 3339 section 5.6 writes it.

    Raises:
        ValueError: there is no such time.
    """
    if re.match(_RFC3339, timestamp, re.ASCII) is None:
        raise ValueError("not a time as RFC 3339 writes it, such as 2027-01-31T12:00:00Z")
    # Of a fraction Python reads 6 digits; none of it matters here.
    whole = re.sub(r"\.\d+", "", timestamp.upper())
    return datetime.fromisoformat(whole.replace("Z", "+00:00")).timestamp()


def _a_time(text: str) -> str:
    seconds_of(text)
    return text


def whole_number(number: Any) -> Any:
    """JSON Schema takes 60.0 for an integer, as JSON has one kind of number."""
    is_whole = isinstance(number, float) and number.is_integer()
    return int(number) if is_whole else number


def number_in_text(text: Any) -> Any:
    """A parameter of a query, which comes as text, as the number that it is meant for."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,10}", text) else text


Timestamp = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-28T22:27:05Z"])
]
"""In UTC, to the second."""
End = (
    Annotated[
        str,
        AfterValidator(_a_time),
        Field(
            max_length=40,
            json_schema_extra={"format": "date-time"},
            examples=["2027-01-31T12:00:00Z"],
        ),
    ]
    | Literal["never"]
)
Limit = Annotated[
    int,
    Field(ge=1, le=LARGEST_PAGE, description="How many at most."),
    BeforeValidator(number_in_text),  # parameters of a query come as text
]


class Model(BaseModel):
    """Strict and closed: nothing is converted and nothing ignored."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Change(Model):
    """What to change; what is left out stays as it is.

    A field that is left out has a default that means nothing: ``model_fields_set`` says which were
    given.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("at least one field to change is needed")
        return self
