"""Events that should never happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class InternalError(Event):
    """A defect of Headgate: an exception that no code expected; its traceback is in ``exception``.

    Attributes:
        activity: what was being done, such as ``handling the request 01ab…``.
    """

    name: ClassVar[str] = "internal_error"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    activity: str
    error: BaseException

    def message(self) -> str:
        return f"internal error in Headgate while {self.activity}"
