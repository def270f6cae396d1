"""What all events have in common."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import ClassVar


class Level(enum.StrEnum):
    """How much an event matters to an operator.

    ``DEBUG``: it is logged only where `headgate log-level` asks for it.  ``INFO``: it is in order.
    ``WARNING``: somebody should look at it.  ``ERROR``: something does not work.
    """

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in the past tense.

    Each kind of event is one class; its attributes are the fields of its log line, described in
    its docstring, from which the reference page of events is made.  Two attributes are no fields:
    ``time``, which is on the clock of the part that emits the event, and an ``error``, whose
    traceback the log line has instead.

    Class attributes:
        name: what programs know it by; stable.
        level: how much it matters.
        logger: the part of the gate that it comes from, as log lines name it.
    """

    name: ClassVar[str]
    level: ClassVar[Level] = Level.INFO
    logger: ClassVar[str]

    def message(self) -> str:
        """The event for a person, in one line."""
        raise NotImplementedError

    def fields(self) -> dict[str, object]:
        """The event for programs, as JSON can hold it; what does not apply is left out."""
        return {
            name: _plain(value)
            for name in field_names(type(self))
            if (value := getattr(self, name)) is not None
        }


Emit = Callable[[Event], None]
"""Takes an event.  It must not call back into what emitted it."""

NOT_LOGGED = frozenset({"time", "error"})


def field_names(kind: type[Event]) -> list[str]:
    """The fields that a kind of event has in its log line, in their order."""
    return [each.name for each in dataclasses.fields(kind) if each.name not in NOT_LOGGED]


def discard(_event: Event) -> None:
    """Ignores an event: for tests and one-off commands, which have no log."""


def _plain(value: object) -> object:
    match value:
        case enum.Enum():
            return value.value
        case bool() | int() | str():
            return value
        case float():
            return round(value, 3)
        case tuple() if type(value) is tuple:
            return list(value)
        case _:
            return str(value)
