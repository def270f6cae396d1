"""Events of what operators ask of upstreams, and of gates that cannot hear of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


class Asked(enum.StrEnum):
    """What an operator asks of an upstream."""

    PARK = "park"
    UNPARK = "unpark"
    READ_ONLY_ON = "read_only_on"
    READ_ONLY_OFF = "read_only_off"


@dataclass(frozen=True, slots=True)
class MaintenanceAsked(Event):
    """An operator has parked or unparked an upstream, or made it read-only or not.

    Attributes:
        upstream: of which it was asked.
        asked: `park`, `unpark`, `read_only_on` or `read_only_off`.
        actor: who did it, by the principal's name.
        actor_id: the id of that principal.
        credential: the id of the key or token that was shown.
        park: the id of the park, or of the read-only time.
        ends_at: when that ends by itself; of one that was ended: when it would have.
        is_lease: whether a command holds the park, and has to renew it.
        begun_by: who had asked for what was ended, by the principal's name.
        sentence: why, as the operator has said it.
    """

    name: ClassVar[str] = "maintenance_asked"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.admin"

    upstream: str
    asked: Asked
    actor: str
    actor_id: str
    credential: str
    park: str
    ends_at: str
    is_lease: bool = False
    begun_by: str = ""
    sentence: str = ""

    def message(self) -> str:
        done = {
            Asked.PARK: f"parked until {self.ends_at} at the latest"
            if not self.is_lease
            else f"parked by a command, which has to renew it before {self.ends_at},",
            Asked.UNPARK: f"unparked (it was parked by '{self.begun_by}')",
            Asked.READ_ONLY_ON: f"read-only until {self.ends_at}",
            Asked.READ_ONLY_OFF: f"no longer read-only (it was made so by '{self.begun_by}')",
        }[self.asked]
        why = f": {self.sentence}" if self.sentence else ""
        return (
            f"upstream {self.upstream} is {done} by '{self.actor}' ({self.actor_id}) with "
            f"{self.credential or 'no credential'}{why}"
        )


@dataclass(frozen=True, slots=True)
class LeaseRenewed(Event):
    """The command that holds a park has renewed it.

    Attributes:
        upstream: which is parked.
        park: the id of the park.
        ends_at: when it ends unless it is renewed again.
        actor: who did it, by the principal's name.
        actor_id: the id of that principal.
        credential: the id of the key or token that was shown.
    """

    name: ClassVar[str] = "lease_renewed"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.admin"

    upstream: str
    park: str
    ends_at: str
    actor: str
    actor_id: str
    credential: str

    def message(self) -> str:
        return (
            f"the park {self.park} of upstream {self.upstream} was renewed until {self.ends_at} "
            f"by '{self.actor}' ({self.actor_id}) with {self.credential or 'no credential'}"
        )


@dataclass(frozen=True, slots=True)
class FenceRaised(Event):
    """The key store has not heard of the gate for ``auth.fence``: a worker holds requests.

    Attributes:
        seconds: ``auth.fence``.
    """

    name: ClassVar[str] = "fence_raised"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    seconds: float

    def message(self) -> str:
        return (
            f"the key store has not heard of this gate for {self.seconds:g} s: requests are held "
            "as if MLflow was parked, until the store is back"
        )


@dataclass(frozen=True, slots=True)
class FenceLifted(Event):
    """The key store has heard of the gate again: requests go on."""

    name: ClassVar[str] = "fence_lifted"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "the key store has heard of this gate: requests are not held for want of it"


@dataclass(frozen=True, slots=True)
class GateForgotten(Event):
    """A gate was killed, or is fenced: this one has taken its leave from the store.

    Attributes:
        gate_id: the id of that gate.
    """

    name: ClassVar[str] = "gate_forgotten"
    logger: ClassVar[str] = "headgate.runtime"

    gate_id: str

    def message(self) -> str:
        return (
            f"the gate {self.gate_id} has ended without leaving, or holds its requests since it "
            "cannot reach the store; a park does not wait for it any more"
        )


@dataclass(frozen=True, slots=True)
class GateRemoved(Event):
    """An operator has said of a gate that it is gone: nothing waits for its acknowledgement.

    Attributes:
        gate: its name.
        gate_id: its id.
        actor: who did it, by the principal's name.
        actor_id: the id of that principal.
        credential: the id of the key or token that was shown.
    """

    name: ClassVar[str] = "gate_removed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.admin"

    gate: str
    gate_id: str
    actor: str
    actor_id: str
    credential: str

    def message(self) -> str:
        return (
            f"the gate {self.gate} ({self.gate_id}) was removed from the store by '{self.actor}' "
            f"({self.actor_id}) with {self.credential or 'no credential'}"
        )


@dataclass(frozen=True, slots=True)
class MaintenanceNotFollowed(Event):
    """The gate cannot read from the store what operators ask of upstreams, or report there.

    What is parked stays parked until the end of the park, and what is not stays so.

    Attributes:
        reason: what is wrong.
    """

    name: ClassVar[str] = "maintenance_not_followed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    reason: str

    def message(self) -> str:
        return (
            "what is asked of upstreams stays as it is, since the gate does not hear of changes "
            f"and does not acknowledge any: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class MaintenanceRecalled(Event):
    """A gate started while its store was away, and follows what it had heard of it last.

    Attributes:
        upstreams: those of which something was asked, by name.
        file: where that was kept.
    """

    name: ClassVar[str] = "maintenance_recalled"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    upstreams: tuple[str, ...]
    file: str

    def message(self) -> str:
        return (
            f"what was asked of {', '.join(self.upstreams)} before this gate started counts on "
            f"until its end, or until the store can be read: it was kept in {self.file}"
        )


@dataclass(frozen=True, slots=True)
class MaintenanceNotKept(Event):
    """What is asked of upstreams cannot be kept for a start without the store, or not be read then.

    A gate that starts while its store is away then knows of no park.

    Attributes:
        file: where it is kept.
        reason: what is wrong.
    """

    name: ClassVar[str] = "maintenance_not_kept"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    file: str
    reason: str

    def message(self) -> str:
        return (
            f"{self.file} {self.reason}; if this gate starts again while its store is away, it "
            "knows of no park until it can read the store"
        )


@dataclass(frozen=True, slots=True)
class MaintenanceFollowed(Event):
    """The gate follows again what operators ask of upstreams."""

    name: ClassVar[str] = "maintenance_followed"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "the gate follows again what is asked of upstreams"
