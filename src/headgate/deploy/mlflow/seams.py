"""What the engines ask of their neighbours: host, database, parking and folder of state.

No method waits for something to become so: an engine looks again and again, with its clock, so
that it can show what it waits for, renew the park and give up in time.  A method may take as long
as what it does takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from headgate.deploy.mlflow.records import (
    Kind,
    Loss,
    ParkStanding,
    Snapshot,
    Standing,
    Version,
    Writer,
)


class Host(Protocol):
    """Runs one MLflow, in one version at a time.

    Every method raises ``HostError`` if it cannot do what it is for.  ``stop`` and ``start`` may be
    repeated: asked for what is so already, they do nothing.
    """

    def name(self) -> str:
        """What it is, for a person: ``systemd unit mlflow.service`` or the like."""

    def current(self) -> Version:
        """The version that it is set to run, running or not."""

    def find(self, wanted: str) -> Version:
        """A version that can be run: by its number, or its place.

        Raises:
            NoSuchVersionError: there is none.
        """

    def obstacles(self) -> Sequence[str]:
        """Why MLflow cannot be stopped and started there: a sentence each; empty if it can."""

    def revisions(self, version: Version) -> Sequence[str]:
        """Every Alembic revision that a version knows, in the order in which they are applied."""

    def look(self) -> Standing:
        """How MLflow stands now."""

    def stop(self) -> None:
        """Let MLflow end, whichever version runs, and not start again by itself.

        It may return before the last process ended: ``look().processes`` is 0 then.
        """

    def start(self, version: Version) -> None:
        """Set it to run a version, and start that.

        It may return before MLflow is healthy.
        """

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        """Those that are not MLflow's own: what is connected beside it."""

    def migrate(self, version: Version, limit: float) -> str:
        """Run that version's ``mlflow db upgrade`` on the database; what it said, in a few words.

        No process of it is left when this returns or raises, nor when the command is killed.  The
        URL of the database is in no command line.

        Args:
            version: whose interpreter runs it.
            limit: seconds after which it is ended.

        Raises:
            MigrationError: it failed, or did not end in time.
        """


class Database(Protocol):
    """The database of one MLflow.

    Every method raises ``DatabaseError`` if the database cannot be reached or refuses.
    """

    @property
    def kind(self) -> Kind:
        """Which."""

    def name(self) -> str:
        """Its URL without the password."""

    def head(self) -> str:
        """The schema that it has (the row of ``alembic_version``)."""

    def size(self) -> int:
        """Bytes that it has on its disk."""

    def obstacles(self) -> Sequence[str]:
        """Why it can be neither saved nor restored from here: a sentence each; empty if it can."""

    def writers(self) -> Sequence[Writer]:
        """Who is connected or has it open, besides this command."""

    def snapshot(self, to: Path, at: float) -> Snapshot:
        """Make a copy that is whole and on the disk when this returns.

        Args:
            to: the file, without its ending; what is there is replaced.
            at: the time now.
        """

    def check(self, snapshot: Snapshot) -> None:
        """Whether a snapshot is there and whole.

        Raises:
            DatabaseError: it is not; the message says what is wrong.
        """

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot in the place of what the database has, wholly or not at all.

        It may be repeated, also after it was killed.
        """

    def losses(self, since: float) -> Sequence[Loss]:
        """What was created or changed since a time, in seconds since the epoch."""


class Parking(Protocol):
    """Parks one upstream, at all of its gates.

    Every method raises ``ParkingError`` if the gates do not do what was asked.
    """

    def gate(self) -> str:
        """The address of the gate that is asked."""

    def admit(self) -> str:
        """Provide the credential that verifies MLflow while it is parked; its id.

        A short-lived key is made, or the id is that of a key of the operator's.
        """

    def dismiss(self, credential: str) -> None:
        """Revoke a credential of ``admit``; nothing happens if it is revoked or the operator's."""

    def park(self, sentence: str, admits: str) -> str:
        """Park, with a lease; the id of the park.

        From then on the lease is renewed beside the command, until ``unpark`` or ``leave``.

        Raises:
            ParkedByOthersError: somebody else has parked it.
        """

    def held(self, sentence: str) -> str:
        """The id of a park in force that has this sentence; empty if there is none.

        By it a command knows its own park whose id it did not live to write down.
        """

    def resume(self, park: str, admits: str) -> None:
        """Renew a park that an earlier command has made, and go on as after ``park``.

        Raises:
            ParkLostError: it is not in force any more.
        """

    def look(self) -> ParkStanding:
        """How the upstream stands at its gates.

        Raises:
            ParkLostError: the lease could not be renewed in time, or somebody has ended it.
        """

    def unpark(self, park: str) -> None:
        """Let the clients go on; nothing happens if that park has ended."""

    def leave(self) -> None:
        """Stop renewing, and leave the park as it is: it refuses when its lease ends."""


class Interrupts(Protocol):
    """Lets the operator stop a command where it can go back or say how to go on.

    Stopping is a ``KeyboardInterrupt``.
    """

    def shield(self) -> AbstractContextManager[None]:
        """In the block, an interrupt comes only in ``allow``; what comes elsewhere is dropped."""

    def allow(self) -> AbstractContextManager[None]:
        """In the block, which is in a ``shield``, an interrupt may come at any time."""


class StateFolder(Protocol):
    """The folder of the journal and the snapshots, for one command at a time.

    Every method raises ``JournalError``.
    """

    def path(self) -> Path:
        """Its absolute path."""

    def free(self) -> int:
        """Bytes that are free on its disk."""

    def acquire(self, who: str) -> str | None:
        """Take the lock; who has it if others do.  It ends with the process.

        Raises:
            JournalError: a journal could not be written there.
        """

    def release(self) -> None:
        """Give the lock back."""

    def read(self) -> str | None:
        """The text of the journal; None if there is none yet."""

    def write(self, text: str) -> None:
        """Replace the journal, on the disk when this returns."""
