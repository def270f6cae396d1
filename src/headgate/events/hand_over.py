"""Events of a gate that hands over to another one at its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Level
from headgate.events.processes import GateEvent


@dataclass(frozen=True, slots=True)
class HandOverUnavailable(GateEvent):
    """No other gate can take over from this one.

    Attributes:
        folder: where they would meet: the data folder.
        reason: why they cannot.
    """

    name: ClassVar[str] = "hand_over_unavailable"

    folder: str
    reason: str

    def message(self) -> str:
        return f"no gate can take over from this one in {self.folder}: {self.reason}"


@dataclass(frozen=True, slots=True)
class HandOverOffered(GateEvent):
    """Another gate process was passed the listening sockets; until it serves, this one serves on.

    Attributes:
        process: its process id.
        version: of its Headgate.
    """

    name: ClassVar[str] = "hand_over_offered"

    process: int
    version: str

    def message(self) -> str:
        return f"process {self.process} (Headgate {self.version}) may take over once it serves"


@dataclass(frozen=True, slots=True)
class HandOverFailed(GateEvent):
    """Another process wanted to take over and did not; this gate serves on.

    Attributes:
        process: its process id.
        version: of its Headgate, if it said so.
        reason: why it did not.
    """

    name: ClassVar[str] = "hand_over_failed"
    level: ClassVar[Level] = Level.WARNING

    process: int
    version: str
    reason: str

    def message(self) -> str:
        return f"process {self.process} does not take over: {self.reason}; this gate serves on"


@dataclass(frozen=True, slots=True)
class HandedOver(GateEvent):
    """Another gate process serves in place of this one, which ends once its requests have.

    Attributes:
        process: its process id.
        version: of its Headgate.
    """

    name: ClassVar[str] = "handed_over"

    process: int
    version: str

    def message(self) -> str:
        return (
            f"process {self.process} (Headgate {self.version}) has taken over; this gate accepts "
            "no more connections and lets its requests finish"
        )


@dataclass(frozen=True, slots=True)
class TakenOver(GateEvent):
    """The gate serves in place of another one.

    Attributes:
        process: the process id of that one.
        version: of its Headgate.
        died: whether it died before it could say that it leaves.
    """

    name: ClassVar[str] = "taken_over"

    process: int
    version: str
    died: bool

    def message(self) -> str:
        how = ", which has died meanwhile" if self.died else ""
        return (
            f"this gate has taken over from process {self.process} (Headgate {self.version}){how}"
        )
