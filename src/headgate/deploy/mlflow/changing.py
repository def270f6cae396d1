"""What the steps do to MLflow and to its database; each may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from headgate.deploy.mlflow.journal import Move
from headgate.deploy.mlflow.records import Snapshot, Version
from headgate.deploy.mlflow.site import AskForSnapshot, Limits, Site
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import FailedError


class Wait(Protocol):
    """Waits until nothing is waited for, for so many seconds at most."""

    def __call__(self, waiting: Callable[[], str], seconds: float) -> None:
        """See ``waiting.until``."""


class Changing:
    """Stops, saves, migrates, restores, starts and verifies.

    Args:
        wait: knows when waiting has no sense any more.
        ask: for a snapshot that the operator makes; None: it is made here.
    """

    def __init__(
        self, site: Site, limits: Limits, wait: Wait, ask: AskForSnapshot | None = None
    ) -> None:
        self._site = site
        self._limits = limits
        self._wait = wait
        self._ask = ask

    def stop(self) -> str:
        """Stop MLflow, until nothing is connected to its database."""
        self._site.host.stop()
        self._wait(self._running, self._limits.stop)
        self._wait(self._connected, self._limits.disconnect)
        return "no process of MLflow, no other connection"

    def _running(self) -> str:
        standing = self._site.host.look()
        return f"{standing.processes} processes of MLflow run" if standing.processes else ""

    def _connected(self) -> str:
        found = [each.words for each in self._site.database.writers()]
        return f"others are connected to the database: {'; '.join(found)}" if found else ""

    def save(self, move: Move) -> Snapshot:
        """Make the snapshot that is the way back."""
        database, at = self._site.database, self._site.clock.now()
        self.expect(move.source)
        if self._ask is not None:
            name = self._ask(database.name())
            return Snapshot(database.kind, name, move.source.head, at, external=True)
        to = self._site.folder.path() / f"mlflow-{move.source.number}-{move.id}"
        return database.snapshot(to, at)

    def migrate(self, move: Move, left: float, *, resumed: bool) -> str:
        """Migrate the database, from a state that is known.

        Args:
            move: from which version to which.
            left: seconds that there are for it.
            resumed: whether a command before may have begun it.
        """
        database = self._site.database
        if move.source.head == move.target.head:
            return f"both versions have the schema {move.target.head}"
        self._wait(self._connected, self._limits.disconnect)
        if resumed:
            if database.head() == move.target.head:
                return "migrated before the command was interrupted"
            self._site.say("the migration was interrupted, so it begins anew")
            self._undo(move)
        said = self._site.host.migrate(move.target, max(1.0, left))
        self.expect(move.target)
        return said

    def put_back(self, move: Move) -> str:
        """Restore what a rollback returns to."""
        if move.put_back is None:
            raise FailedError("the journal names no snapshot to put back")
        self._wait(self._connected, self._limits.disconnect)
        self._site.database.restore(move.put_back)
        self.expect(move.target)
        return move.put_back.place

    def restore(self, move: Move) -> str:
        """Restore what there was before."""
        self._wait(self._connected, self._limits.disconnect)
        self._undo(move)
        self.expect(move.source)
        return "" if move.snapshot is None else move.snapshot.place

    def _undo(self, move: Move) -> None:
        taken = move.snapshot
        if taken is None:
            raise FailedError("the journal names no snapshot")
        if not taken.external:
            self._site.database.restore(taken)
        elif self._site.database.head() != move.source.head:
            raise FailedError(
                f"the database has no more the schema {move.source.head}: restore the snapshot "
                f"{taken.place} of {utc(taken.at)} yourself, as its vendor says"
            )

    def expect(self, version: Version) -> None:
        """See whether the database has the schema of a version.

        Raises:
            FailedError: it has not.
        """
        head = self._site.database.head()
        if head != version.head:
            raise FailedError(
                f"the database has the schema {head}, and MLflow {version.number} needs "
                f"{version.head}"
            )

    def start(self, version: Version) -> str:
        """Start a version on a database that has its schema."""
        self.expect(version)
        self._site.host.start(version)
        return f"MLflow {version.number}"

    def healthy(self, version: Version) -> str:
        """Wait until a version responds."""

        def waiting() -> str:
            standing = self._site.host.look()
            if standing.place != version.place:
                raise FailedError(
                    f"MLflow {version.number} was to run ({version.place}), not {standing.place}"
                )
            if standing.failed:
                raise FailedError(f"MLflow {version.number} does not start: {standing.note}")
            return "" if standing.healthy else f"MLflow {version.number}: {standing.note}"

        self._wait(waiting, self._limits.start)
        return f"MLflow {version.number} responds"

    def verify(self, version: Version) -> str:
        """Verify a version through a gate."""
        found = self._site.verify()
        if not found.passed:
            raise FailedError(
                f"MLflow {version.number} does not pass verification: {found.summary}"
            )
        return found.summary
