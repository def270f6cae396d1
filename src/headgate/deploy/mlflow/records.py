"""What is known of an upgrade: the versions, the snapshot, and how MLflow stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Of a database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of MLflow that a host has.

    Attributes:
        number: such as ``3.17.2``.
        head: the Alembic revision of the schema that it wants.
        place: where the host has it: an interpreter, a folder or a task definition.  It goes to
            the journal, so it has no secret.
    """

    number: str
    head: str
    place: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How MLflow stands at its host now.

    Attributes:
        place: that of the version which the host is set to run; empty if that is not known.
        processes: of MLflow's server, or tasks, of whichever version.
        healthy: whether it runs and responds as MLflow does.
        failed: whether it will not become healthy: it ended, or does not start.
        note: what it does, or what is wrong, in a few words.
    """

    place: str
    processes: int
    healthy: bool
    failed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the database, to restore.

    Attributes:
        kind: of the database.
        place: the absolute path of the file; for ``external`` what the operator calls it, such as
            the id of a snapshot of RDS.
        head: the schema that it has.
        at: when it was begun, in seconds since the epoch; nothing that was written later is in it.
        size: bytes of the file; 0 for ``external``.
        digest: the SHA-256 of the file, hexadecimal; empty for ``external``.
        external: whether the operator makes and restores it.
        tables: those that the database had, by which those are known that came later.
    """

    kind: Kind
    place: str
    head: str
    at: float
    size: int = 0
    digest: str = ""
    external: bool = False
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who is connected to the database, or has its file open.

    Attributes:
        words: who, for a person: the program, its user and where it runs, if known.
        address: from where it is connected, and from which ``port``; empty and 0 if not known.
        pid: its process on this machine; 0 if not known.
    """

    words: str
    address: str = ""
    port: int = 0
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Objects of one kind that a rollback would lose: ``newest`` in seconds since the epoch."""

    what: str
    count: int
    newest: float


@dataclass(frozen=True, slots=True)
class GateStanding:
    """One gate that follows the park."""

    name: str
    state: str
    in_flight: int
    waiting: int
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class ParkStanding:
    """How an upstream stands at its gates.

    Attributes:
        park: the id of the park in force, empty if there is none.
        by: who asked for it; ``until`` is its end in seconds since the epoch.
        acknowledged: whether every gate follows it.
        drained: whether, besides, nothing is in flight.
        refusing: whether a gate refuses, because the lease ran out.
    """

    park: str
    by: str
    until: float
    acknowledged: bool
    drained: bool
    gates: Sequence[GateStanding] = ()
    refusing: bool = False
