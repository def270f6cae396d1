"""Events of the creates that gates share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class CreatesNotShared(Event):
    """Creates go on without the key store, so another gate does not recognise one sent again.

    Attributes:
        reason: what is wrong with the store.
    """

    name: ClassVar[str] = "creates_not_shared"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    reason: str

    def message(self) -> str:
        return (
            "creates are not shared with other gates, so that one that is sent again at another "
            f"gate may be executed twice: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class CreatesShared(Event):
    """Creates are shared with other gates again."""

    name: ClassVar[str] = "creates_shared"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "creates are shared with other gates again"
