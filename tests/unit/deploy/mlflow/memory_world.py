"""An MLflow with its database, its gates and its clients, in memory.

Clients write whenever time passes and their requests reach an MLflow that works: each row that was
written is remembered as acknowledged, so that a test can ask whether any is lost.  A fault may be
set for each call that an engine makes of the world, before or after it had its effect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from headgate.deploy.mlflow.errors import (
    DatabaseError,
    HostError,
    MigrationError,
    NoSuchVersionError,
    ParkedByOthersError,
    ParkingError,
    ParkLostError,
)
from headgate.deploy.mlflow.journal import JournalError
from headgate.deploy.mlflow.records import (
    GateStanding,
    Kind,
    Loss,
    ParkStanding,
    Snapshot,
    Standing,
    Version,
    Writer,
)
from headgate.deploy.outcome import Verification
from headgate.errors import HeadgateError

OLD = Version("3.14.0", "b", "/mlflow/3.14.0")
NEW = Version("3.17.2", "d", "/mlflow/3.17.2")
OLDER = Version("3.13.0", "a", "/mlflow/3.13.0")
REVISIONS = {
    OLDER.place: ("0", "a"),
    OLD.place: ("0", "a", "b"),
    NEW.place: ("0", "a", "b", "c", "d"),
}
LEASE = 30.0
HALF = "half migrated"


class ProcessDied(BaseException):
    """The command was killed: nothing of it goes on."""


class Seam(StrEnum):
    """Whose call it is, by which a fault becomes the error that its protocol allows."""

    HOST = "host"
    DATABASE = "database"
    PARKING = "parking"
    FOLDER = "folder"
    VERIFY = "verify"
    CLOCK = "clock"


@dataclass
class World:
    """Everything that outlives a command."""

    head: str = OLD.head
    rows: set[int] = field(default_factory=lambda: {1, 2, 3})
    size: int = 10_000_000
    free: int = 10**12
    place: str = OLD.place
    runs: str = OLD.place
    time: float = 1_800_000_000.0
    park: str = ""
    park_sentence: str = ""
    admits: str = ""
    until: float = 0.0
    keys: set[str] = field(default_factory=set)
    text: str | None = None
    files: dict[str, tuple[str, frozenset[int]]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)  # places that do not pass verification
    broken: set[str] = field(default_factory=set)  # places that do not start
    migration_fails: bool = False
    half_done: bool = True  # what is left of a migration that fails, as SQLite leaves it
    strangers: list[Writer] = field(default_factory=list)
    deaf: bool = False  # a gate that does not acknowledge
    stuck: int = 0  # requests that do not end
    locked_by: str | None = None
    problems: list[str] = field(default_factory=list)
    calls: int = 0
    names: list[str] = field(default_factory=list)
    before: Callable[[int, Seam, str], None] = lambda *_: None
    after: Callable[[int, Seam, str], None] = lambda *_: None
    drawn: int = 100
    slow: int = 0  # looks until MLflow responds
    migrations: int = 0
    interruptible: bool = True

    @contextlib.contextmanager
    def call(self, seam: Seam, name: str) -> Iterator[None]:
        """One call of an engine."""
        self.calls += 1
        number = self.calls
        self.names.append(f"{seam.value}.{name}")
        self.before(number, seam, name)
        yield
        self.after(number, seam, name)

    @property
    def works(self) -> bool:
        """Whether the MLflow that runs serves: it has its schema, and starts at all."""
        wanted = {each.place: each.head for each in (OLDER, OLD, NEW)}
        return bool(self.runs) and self.runs not in self.broken and wanted[self.runs] == self.head

    def passes_time(self, seconds: float) -> None:
        """Let time pass; clients go on meanwhile."""
        self.time += seconds
        if not self.park:
            self.client_writes()

    def client_writes(self) -> None:
        """A client writes a row, if it reaches an MLflow that works."""
        if self.works:
            self.drawn += 1
            self.rows.add(self.drawn)
            self.acknowledged.add(self.drawn)

    def assert_whole(self) -> str:
        """The invariant, once clients may go on; the place of what runs."""
        assert not self.park, "clients are kept waiting"
        assert self.works, f"{self.runs or 'nothing'} runs on the schema {self.head}"
        assert self.place == self.runs
        assert self.runs not in self.bad
        assert self.rows >= {1, 2, 3}
        assert self.rows >= self.acknowledged, "acknowledged rows are lost"
        return self.runs


class MemoryHost:
    """``Host``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def name(self) -> str:
        """See ``Host``."""
        return "a host in memory"

    def current(self) -> Version:
        """See ``Host``."""
        with self._world.call(Seam.HOST, "current"):
            return self.find(self._world.place)

    def find(self, wanted: str) -> Version:
        """See ``Host``."""
        for each in (OLDER, OLD, NEW):
            if wanted in {each.number, each.place}:
                return each
        raise NoSuchVersionError(f"there is no MLflow {wanted} here")

    def obstacles(self) -> Sequence[str]:
        """See ``Host``."""
        return ()

    def revisions(self, version: Version) -> Sequence[str]:
        """See ``Host``."""
        return REVISIONS[version.place]

    def look(self) -> Standing:
        """See ``Host``."""
        with self._world.call(Seam.HOST, "look"):
            world = self._world
            running = 1 if world.runs else 0
            failed = bool(running) and not world.works
            if running and world.slow and world.place != OLD.place:
                world.slow -= 1
                return Standing(world.place, running, healthy=False, note="it starts")
            return Standing(world.place, running, world.works, failed, "does not respond")

    def stop(self) -> None:
        """See ``Host``."""
        with self._world.call(Seam.HOST, "stop"):
            self._world.runs = ""

    def start(self, version: Version) -> None:
        """See ``Host``."""
        with self._world.call(Seam.HOST, "start"):
            self._world.place = self._world.runs = version.place

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        """See ``Host``."""
        return [each for each in writers if each.words != "MLflow"]

    def migrate(self, version: Version, limit: float) -> str:
        """See ``Host``."""
        world = self._world
        assert limit > 0
        assert not world.runs, "MLflow runs while its database is migrated"
        world.migrations += 1
        middle = world.head != version.head and world.half_done
        former, world.head = world.head, HALF if middle else world.head
        with world.call(Seam.HOST, "migrate"):
            assert former == OLD.head, f"a migration began at {former}"
            world.time += 5
            if world.migration_fails:
                raise MigrationError("mlflow db upgrade failed: no such column")
            world.head = version.head
        return "migrated"


class MemoryDatabase:
    """``Database``."""

    kind = Kind.SQLITE

    def __init__(self, world: World) -> None:
        self._world = world

    def name(self) -> str:
        """See ``Database``."""
        return "a database in memory"

    def head(self) -> str:
        """See ``Database``."""
        with self._world.call(Seam.DATABASE, "head"):
            return self._world.head

    def size(self) -> int:
        """See ``Database``."""
        with self._world.call(Seam.DATABASE, "size"):
            return self._world.size

    def obstacles(self) -> Sequence[str]:
        """See ``Database``."""
        return self._world.problems

    def writers(self) -> Sequence[Writer]:
        """See ``Database``."""
        with self._world.call(Seam.DATABASE, "writers"):
            own = [Writer("MLflow")] if self._world.runs else []
            return [*own, *self._world.strangers]

    def snapshot(self, to: Path, at: float) -> Snapshot:
        """See ``Database``."""
        world = self._world
        world.files[str(to)] = ("torn", frozenset())
        with world.call(Seam.DATABASE, "snapshot"):
            world.time += 3
            world.files[str(to)] = (world.head, frozenset(world.rows))
            return Snapshot(self.kind, str(to), world.head, at, 100, "digest")

    def check(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        with self._world.call(Seam.DATABASE, "check"):
            if self._world.files.get(snapshot.place, ("",))[0] != snapshot.head:
                raise DatabaseError(f"the snapshot {snapshot.place} is not whole")

    def restore(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        world = self._world
        assert not world.runs, "MLflow runs while its database is restored"
        with world.call(Seam.DATABASE, "restore"):
            head, rows = world.files[snapshot.place]
            assert head == snapshot.head, "a torn snapshot is restored"
            world.head, world.rows = head, set(rows)

    def losses(self, since: float) -> Sequence[Loss]:
        """See ``Database``."""
        found = [each for each in self._world.rows if each > 3]
        return [Loss("runs", len(found), since + 1)]


class MemoryParking:
    """``Parking``; leases end on the clock of the world, and then the gate refuses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mine = ""

    def gate(self) -> str:
        """See ``Parking``."""
        return "http://gate"

    def admit(self) -> str:
        """See ``Parking``."""
        with self._world.call(Seam.PARKING, "admit"):
            key = f"k_{self._world.calls}"
            self._world.keys.add(key)
            return key

    def dismiss(self, credential: str) -> None:
        """See ``Parking``."""
        with self._world.call(Seam.PARKING, "dismiss"):
            self._world.keys.discard(credential)

    def held(self, sentence: str) -> str:
        """See ``Parking``."""
        with self._world.call(Seam.PARKING, "held"):
            return self._world.park if self._world.park_sentence == sentence else ""

    def park(self, sentence: str, admits: str) -> str:
        """See ``Parking``."""
        world = self._world
        with world.call(Seam.PARKING, "park"):
            if world.park:
                raise ParkedByOthersError("bob has parked it until noon")
            world.park = self._mine = f"park-{world.calls}"
            world.park_sentence, world.admits = sentence, admits
            world.until = world.time + LEASE
        return self._mine

    def resume(self, park: str, admits: str) -> None:
        """See ``Parking``."""
        world = self._world
        with world.call(Seam.PARKING, "resume"):
            if world.park != park:
                raise ParkLostError("bob has ended the park")
            self._mine, world.admits, world.until = park, admits, world.time + LEASE

    def look(self) -> ParkStanding:
        """See ``Parking``."""
        world = self._world
        with world.call(Seam.PARKING, "look"):
            if self._mine and world.park != self._mine:
                raise ParkLostError("bob has ended the park")
            drained = not world.deaf and not world.stuck
            gate = GateStanding("gate-1", "parked", world.stuck, 2, not world.deaf)
            return ParkStanding(world.park, "alice", world.until, not world.deaf, drained, (gate,))

    def unpark(self, park: str) -> None:
        """See ``Parking``."""
        with self._world.call(Seam.PARKING, "unpark"):
            if self._world.park == park:
                self._world.park = ""
            self._mine = ""

    def leave(self) -> None:
        """See ``Parking``."""
        self._mine = ""


class MemoryFolder:
    """``StateFolder``; ``acquire`` is an flock, which ends with its process."""

    def __init__(self, world: World) -> None:
        self._world = world

    def path(self) -> Path:
        """See ``StateFolder``."""
        return Path("/state")

    def free(self) -> int:
        """See ``StateFolder``."""
        return self._world.free

    def acquire(self, who: str) -> str | None:
        """See ``StateFolder``."""
        return self._world.locked_by

    def release(self) -> None:
        """See ``StateFolder``."""

    def read(self) -> str | None:
        """See ``StateFolder``."""
        return self._world.text

    def write(self, text: str) -> None:
        """See ``StateFolder``."""
        with self._world.call(Seam.FOLDER, "write"):
            self._world.text = text


class MemoryInterrupts:
    """``Interrupts``: the world says where an interrupt may come."""

    def __init__(self, world: World) -> None:
        self._world = world

    def shield(self) -> contextlib.AbstractContextManager[None]:
        """See ``Interrupts``."""
        return self._set(False)

    def allow(self) -> contextlib.AbstractContextManager[None]:
        """See ``Interrupts``."""
        return self._set(True)

    @contextlib.contextmanager
    def _set(self, value: bool) -> Iterator[None]:
        former, self._world.interruptible = self._world.interruptible, value
        try:
            yield
        finally:
            self._world.interruptible = former


class MemoryClock:
    """``Clock``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        """See ``Clock``."""
        return self._world.time

    def monotonic(self) -> float:
        """See ``Clock``."""
        return self._world.time

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        with self._world.call(Seam.CLOCK, "sleep"):
            self._world.passes_time(seconds)


def verifying(world: World) -> Callable[[], Verification]:
    """Verifies what runs."""

    def verify() -> Verification:
        with world.call(Seam.VERIFY, "verify"):
            world.time += 4
            passed = world.works and world.runs not in world.bad
            if passed and world.park:
                assert world.admits in world.keys, "the credential that verifies is not admitted"
        return Verification(passed, "all steps passed" if passed else "a step failed")

    return verify


ERRORS: dict[Seam, Callable[[str], Exception]] = {
    Seam.HOST: HostError,
    Seam.DATABASE: DatabaseError,
    Seam.PARKING: ParkingError,
    Seam.FOLDER: JournalError,
    Seam.VERIFY: HeadgateError,
    Seam.CLOCK: lambda _: KeyboardInterrupt(),  # type: ignore[dict-item, return-value]
}
