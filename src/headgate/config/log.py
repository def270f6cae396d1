"""What is logged, in which form, and where to."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from headgate.config.restart import RELOADED
from headgate.config.section import Section, listed
from headgate.errors import Problem
from headgate.model import FAMILIES


class LogFormat(enum.StrEnum):
    """How lines are written: for programs, or for a person at a terminal."""

    JSON = "json"
    CONSOLE = "console"


class StatusClass(enum.StrEnum):
    """The first digit of a status."""

    INFORMATIONAL = "1xx"
    SUCCESSFUL = "2xx"
    REDIRECTION = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"


def _rate(value: object) -> float:
    """A number from 0 to 1.

    Raises:
        ValueError: it is none.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not a rate from 0 to 1")
    return number


def _rate_text(value: object) -> object:
    if not isinstance(value, str | int | float):
        return value
    if value not in tuple(HealthChecks):
        try:
            _rate(value)
        except ValueError:
            words = ", ".join(f"'{each.value}'" for each in HealthChecks)
            raise ValueError(f"{value!r} is neither {words} nor a rate from 0 to 1") from None
    return str(value)


def _rules(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:  # from an environment variable
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON, a list of rules: {error}") from None


class HealthChecks(enum.StrEnum):
    """Which health checks have a line."""

    ALL = "all"
    ERRORS = "errors"
    NONE = "none"


Rate = Annotated[float, BeforeValidator(_rate)]
HealthCheckLines = Annotated[str, BeforeValidator(_rate_text)]


class SampleRule(Section):
    """Which part of the requests of one kind has a line in the access log.

    The first rule that fits a request decides; requests that no rule fits have a line. A rule
    without `family` and `operation` fits all requests.

    Errors always have a line, whatever the rules say: a `reason` other than `ok`, or a status from
    500.
    """

    family: str = Field("", description="Only requests of this [family of routes](routes.md).")
    operation: str = Field(
        "",
        description="Only requests for this [route](routes.md), such as `runs/log-metric`.",
    )
    status: Annotated[tuple[StatusClass, ...], BeforeValidator(listed)] = Field(
        (StatusClass.SUCCESSFUL, StatusClass.REDIRECTION),
        description="Only responses with these classes of status.",
    )
    rate: Rate = Field(
        description="The part that is logged, from 0 (none) to 1 (all). Requests of one trace are "
        "logged together or not at all."
    )

    @model_validator(mode="after")
    def _known_family(self) -> Self:
        if self.family and self.family not in FAMILIES:
            raise ValueError(
                f"there is no family '{self.family}'; docs/reference/routes.md has all"
            )
        return self


class Log(Section):
    """Logs: the access log has one line for each request, the event log what else happens."""

    access: bool = Field(True, description="Write the access log.")
    format: LogFormat = Field(
        LogFormat.JSON,
        description="Form of both logs: one JSON object per line, or lines for a person at a "
        "terminal, which are coloured unless `NO_COLOR` is set.",
    )
    file: Path | None = Field(
        None,
        description="Append the access log to this file instead of standard output. A new file "
        "gets mode 0640; SIGUSR1 makes the gate open the path again.",
    )
    events_file: Path | None = Field(
        None,
        description="Append the event log to this file instead of standard error, likewise.",
    )
    health_checks: HealthCheckLines = Field(
        HealthChecks.ALL.value,
        json_schema_extra=RELOADED,
        description="Which health checks have a line in the access log: `all`, `errors` (those "
        "that failed), `none`, or the rate of those that did not fail, from 0 to 1. Health checks "
        "are requests for the gate's own health pages, and for `/health` and `/version`.",
    )
    sample: Annotated[tuple[SampleRule, ...], BeforeValidator(_rules)] = Field(
        (),
        json_schema_extra=RELOADED,
        description="Which part of the requests has a line in the access log: rules, in their "
        "order; in the environment as JSON.",
    )

    def problems(self) -> Iterator[Problem]:
        """Problems of these settings that contradict each other."""
        if self.file is not None and not self.access:
            yield Problem("log.file", "has no effect with log.access = false")
        for name in ("file", "events_file"):
            path: Path | None = getattr(self, name)
            if path is not None and not path.parent.is_dir():
                yield Problem(f"log.{name}", f"{path.parent} is no folder; create it first")
