"""What a command holds of a service while it works: the lock, and its entry in the journal.

Another operator's ``rollback`` takes both over.  A command that finds so changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import journal
from headgate.deploy.ecs.journal import InProgress, Journal
from headgate.deploy.ecs.lock import Lock, LockError, read_lock
from headgate.deploy.ecs.names import DEPLOYING_TAG, GOOD_TAG, parameter, short
from headgate.deploy.ecs.outcome import SupersededError
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Target
from headgate.deploy.ecs.tags import tag_value
from headgate.deploy.outcome import ON_REQUEST, BusyError

LEASE: Final = 300.0
"""Seconds that the lock outlives a command which dies."""
RENEW_AFTER: Final = 60.0
LONG_LEASE: Final = 420.0
"""The lease while another program runs, in which nothing is renewed."""
TAKE_OVERS: Final = 5
"""How often to try to take over a lock that its holder renews meanwhile."""


class Holding:
    """The lock and the journal's entry of one command."""

    def __init__(
        self,
        plane: ControlPlane,
        clock: Clock,
        target: Target,
        operator: str,
        host: str,
        nonce: str,
    ) -> None:
        self._plane = plane
        self._clock = clock
        self._parameter = parameter(target, "journal")
        self._operator = operator
        self._host = host
        self._nonce = nonce
        self._lock: Lock | None = None
        self._renewed_at = 0.0
        self._entry: InProgress | None = None
        self._lost: SupersededError | None = None
        self._keeps_journal = True

    @property
    def entry(self) -> InProgress | None:
        """What this command has written into the journal as being in progress."""
        return self._entry

    def journal(self) -> Journal:
        """The journal as it is now."""
        return journal.read(self._plane.journal(), self._parameter)

    def take(self, purpose: str) -> None:
        """Take the lock.

        Raises:
            BusyError: somebody has it; the message says who, and since when.
        """
        held_by = self._plane.acquire(self._new(purpose, LEASE).to_text())
        if held_by is not None:
            self._lock = None
            raise BusyError(busy(held_by, self._clock.now()))
        self._renewed_at = self._clock.monotonic()

    def take_over(self, purpose: str) -> str:
        """Take the lock, also from another; returns whose it was, or nothing.

        Raises:
            BusyError: another rollback has it, or it is taken again and again.
        """
        former = held_by = ""
        for _ in range(TAKE_OVERS):
            other = self._plane.acquire(self._new(purpose, LEASE).to_text())
            if other is None:
                self._renewed_at = self._clock.monotonic()
                return former
            held_by, held = other, _read(other)
            if held is not None and held.purpose == purpose:
                break
            former = held.holder if held is not None else "another command"
            self._plane.release(held_by)
        self._lock = None
        raise BusyError(busy(held_by, self._clock.now()))

    def _new(self, purpose: str, lease: float) -> Lock:
        now = self._clock.now()
        if self._lock is None:
            self._lock = Lock(self._operator, self._host, now, now + lease, self._nonce, purpose)
        return self._lock

    def renew(self, lease: float = LEASE) -> None:
        """Check that the lock still is this command's, and extend it from time to time.

        Raises:
            SupersededError: another command took it over.
        """
        if self._lost is not None:
            raise self._lost
        if self._lock is None:
            return
        held_by = self._plane.lock()
        held = None if held_by is None else _read(held_by)
        if held is None or held.nonce != self._nonce:
            raise self._superseded(held)
        if self._clock.monotonic() - self._renewed_at < RENEW_AFTER and lease == LEASE:
            return
        extended = replace(self._lock, until=self._clock.now() + lease)
        other = self._plane.acquire(extended.to_text())
        if other is not None:
            raise self._superseded(_read(other))
        self._lock = extended
        self._renewed_at = self._clock.monotonic()

    def _superseded(self, held: Lock | None) -> SupersededError:
        self._lock = None
        operator, what = "another operator, who has ended since", "taken over"
        if held is not None:
            operator, what = held.holder, _WHAT.get(held.purpose, what)
        else:
            now = self.journal().in_progress
            if now is not None and now != self._entry:
                operator, what = now.operator, _WHAT.get(now.kind, what)
        self._lost = SupersededError(operator, what)
        return self._lost

    def leave_journal(self) -> None:
        """Write nothing into the journal, because it cannot be read."""
        self._keeps_journal = False

    def begin(self, kind: str, change: Callable[[Journal], Journal], revision: str = "") -> Journal:
        """Write the entry of this command, with a change of the journal.

        Args:
            kind: ``deploy`` or ``rollback``.
            change: of the rest of the journal.
            revision: what it brings, if it is known.

        Raises:
            SupersededError: another command took the lock over.
        """
        entry = InProgress(kind, revision, "", "begun", self._operator, self._clock.now())
        self._entry = entry
        written = self._write(lambda found: change(found).begin(entry))
        since = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        who = tag_value(f"{kind} by {self._operator} since {since}")
        self._plane.tag_service({DEPLOYING_TAG: who})
        return written

    def note(self, phase: str, *, revision: str = "", deployment: str = "") -> None:
        """Say in the journal what is done now, before it is done.

        Raises:
            SupersededError: another command took the lock over.
        """
        if self._entry is None:
            return
        self._entry = entry = replace(
            self._entry,
            phase=phase,
            revision=revision or self._entry.revision,
            deployment=deployment or self._entry.deployment,
        )
        self._write(lambda found: found.begin(entry))

    def end(self, change: Callable[[Journal], Journal]) -> Journal:
        """Remove the entry, with a change of the journal, and say in the tags what is good.

        Raises:
            SupersededError: another command took the lock over.
        """
        written = self._write(lambda found: change(found).end())
        self._entry = None
        good = None if written.good is None else short(written.good.revision)
        self._plane.tag_service({DEPLOYING_TAG: None, GOOD_TAG: good})
        return written

    def _write(self, change: Callable[[Journal], Journal]) -> Journal:
        self.renew()
        if not self._keeps_journal:
            return change(Journal())
        written = change(self.journal())
        self._plane.write_journal(written.to_text())
        return written

    def give_back(self) -> str:
        """Give the lock back; why it could not be, or nothing."""
        if self._lock is None:
            return ""
        try:
            self._plane.release(self._lock.to_text())
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - supervisor: the outcome counts
            return (
                f"the lock could not be given back and ends by itself in {LEASE:.0f} s: "
                f"{str(error) or ON_REQUEST}"
            )
        self._lock = None
        return ""


_WHAT = {"rollback": "rolled back", "deploy": "taken over"}


def busy(held_by: str, now: float) -> str:
    """Who has the lock, since when, and what to do."""
    held = _read(held_by)
    if held is None:
        return "another command has the lock of this service, in a form that cannot be read"
    return (
        f"{held.holder} has been working on this service ({held.purpose}, {held.host}) for "
        f"{max(0.0, now - held.taken_at):.0f} s: wait for the end of it, see it with: headgate ecs "
        "status, or end it with: headgate ecs rollback"
    )


def _read(text: str) -> Lock | None:
    try:
        return read_lock(text)
    except LockError:
        return None
