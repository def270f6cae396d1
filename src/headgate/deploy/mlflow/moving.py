"""Takes an MLflow from one version to another, step by step, and back if a step fails.

Each step is in the journal before it begins and may be repeated, so a command that was killed goes
on where the journal says.  The invariant: clients go on only when the database has the
schema of the version that runs, that version responds, and it passed verification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from headgate.deploy.mlflow.changing import Changing
from headgate.deploy.mlflow.endings import Endings
from headgate.deploy.mlflow.errors import ParkedByOthersError, ParkLostError
from headgate.deploy.mlflow.journal import Journal, JournalError, Measured, Move
from headgate.deploy.mlflow.parked import Parked
from headgate.deploy.mlflow.phases import BACK_FROM, STARTED, Step, remaining
from headgate.deploy.mlflow.records import Version
from headgate.deploy.mlflow.site import AskForSnapshot, Limits, Site
from headgate.deploy.mlflow.waiting import until
from headgate.deploy.outcome import ON_REQUEST, FailedError, Outcome
from headgate.errors import HeadgateError

_RESTORES: Final = frozenset({Step.MIGRATE, Step.PUT_BACK, Step.BACK_STOP, Step.BACK_RESTORE})
"""From here on a command that goes on restores a snapshot."""
_AGAIN: Final[Mapping[Step, Step]] = {
    Step.HEALTH: Step.START,
    Step.VERIFY: Step.START,
    Step.BACK_HEALTH: Step.BACK_START,
    Step.BACK_VERIFY: Step.BACK_START,
}
"""Where a command goes on instead, so that it knows which version it looks at."""
_UNPARKING: Final = frozenset({Step.UNPARK, Step.BACK_UNPARK})


class _ReturnedError(HeadgateError):
    """There is nothing to go back from: the source runs, and clients reach it."""


class _NeedsConsentError(HeadgateError):
    """Restoring could lose what clients have written."""


class Moving:
    """One upgrade or rollback.

    Args:
        journal: as it was read.
        move: what to do, from its ``step`` on.
        ask: for a snapshot that the operator makes; None: it is made here.
        resumed: whether an earlier command has begun it.
        discard: whether what clients have written to the target may be lost.
    """

    def __init__(
        self,
        site: Site,
        limits: Limits,
        journal: Journal,
        move: Move,
        *,
        ask: AskForSnapshot | None = None,
        resumed: bool = False,
        discard: bool = False,
    ) -> None:
        self._site = site
        self._limits = limits
        self._journal = journal
        self._move = move
        self._resumed = resumed
        self._discard = discard
        self._measures = ask is None and not resumed
        self._deadline = float("inf")
        self._parked = Parked(site, limits, move)
        self._endings = Endings(site)
        self._changing = Changing(site, limits, self._until, ask)
        self._steps: Mapping[Step, Callable[[], str]] = {
            Step.PARK: self._park,
            Step.DRAIN: lambda: self._parked.drained(self._deadline),
            Step.STOP: self._changing.stop,
            Step.SNAPSHOT: self._save,
            Step.MIGRATE: self._migrate,
            Step.PUT_BACK: lambda: self._changing.put_back(self._move),
            Step.START: lambda: self._changing.start(self._version),
            Step.HEALTH: lambda: self._changing.healthy(self._version),
            Step.VERIFY: lambda: self._changing.verify(self._version),
            Step.UNPARK: lambda: self._parked.unpark(self._move),
            Step.BACK_STOP: self._changing.stop,
            Step.BACK_RESTORE: lambda: self._changing.restore(self._move),
            Step.BACK_START: lambda: self._changing.start(self._version),
            Step.BACK_HEALTH: lambda: self._changing.healthy(self._version),
            Step.BACK_VERIFY: lambda: self._changing.verify(self._version),
            Step.BACK_UNPARK: lambda: self._parked.unpark(self._move),
        }

    @property
    def _version(self) -> Version:
        """The one that is to run in the end, as things stand."""
        return self._move.source if self._move.back else self._move.target

    # --- the course of it ----------------------------------------------------------------------

    def run(self) -> Outcome:
        """Go through the steps, and back if one fails or the operator stops it."""
        with self._site.interrupts.shield():
            return self._run()

    def _run(self) -> Outcome:
        if self._move.back:
            return self._back()
        try:
            self._go()
        except KeyboardInterrupt:
            return self._failed(FailedError(ON_REQUEST))
        except Exception as error:  # noqa: BLE001 - supervisor: MLflow must not stay half moved
            return self._failed(error)
        self._finish(self._measured())
        return self._endings.done(self._move, self._parked.seconds)

    def _failed(self, error: Exception) -> Outcome:
        """A step on the way forward failed."""
        if self._move.step is Step.UNPARK:
            self._parked.leave()
            return self._endings.not_released(self._move, self._parked.seconds, error)
        if self._move.step in STARTED and isinstance(error, ParkLostError):
            self._parked.leave()
            return self._endings.abandoned(self._move, self._parked.seconds, error)
        not_begun = self._move.step is Step.PARK and isinstance(error, ParkedByOthersError)
        self._turn(str(error) if isinstance(error, HeadgateError) else repr(error))
        if isinstance(error, _ReturnedError):
            return self._returned()
        if not_begun:
            self._finish()
            return self._endings.not_begun(self._move)
        return self._back()

    def turn_back(self, cause: str) -> Outcome:
        """Go back, from whatever step it is in.

        Raises:
            JournalError: that could not be written, so nothing was done.
        """
        with self._site.interrupts.shield():
            if not self._move.back:
                back = replace(self._move, step=BACK_FROM[self._move.step], cause=cause)
                self._site.folder.write(self._journal.begin(back).to_text())
                self._move = back
            return self._back()

    def _back(self) -> Outcome:
        try:
            self._go()
        except KeyboardInterrupt:
            problem: BaseException = FailedError(ON_REQUEST)
        except _ReturnedError:
            return self._returned()
        except Exception as error:  # noqa: BLE001 - supervisor: says where things stand
            problem = error
        else:
            return self._returned()
        self._parked.leave()
        if isinstance(problem, _NeedsConsentError):
            return self._endings.undecided(self._move, self._parked.seconds, problem)
        return self._endings.stranded(self._move, self._parked.seconds, problem)

    def _returned(self) -> Outcome:
        self._finish()
        return self._endings.returned(self._move, self._parked.seconds)

    def _go(self) -> None:
        if self._resumed:
            with self._site.interrupts.allow():
                self._reattach()
        for step in remaining(self._move.kind, self._move.step):
            if self._move.step is not step or self._journal.in_progress != self._move:
                self._note(step=step)
            with self._site.interrupts.allow(), self._site.phases.phase(step) as phase:
                phase.note = self._steps[step]()
            self._resumed = False

    def _turn(self, cause: str) -> None:
        self._site.say(f"going back to MLflow {self._move.source.number}: {cause}")
        self._note(step=BACK_FROM[self._move.step], cause=cause)

    def _note(self, **changes: Any) -> None:
        """Change the journal; on the way back, one that cannot be written is not in the way."""
        self._move = replace(self._move, **changes)
        self._journal = self._journal.begin(self._move)
        try:
            self._site.folder.write(self._journal.to_text())
        except JournalError as error:
            if not self._move.back:
                raise
            self._site.say(f"the journal could not be written: {error}")

    # --- parking -------------------------------------------------------------------------------

    def _reattach(self) -> None:
        """Take the park of the command before over, or park again if somebody has ended it.

        Raises:
            _ReturnedError: the source runs, and its clients write to it.
        """
        if self._move.step in _UNPARKING:
            return
        former, credential = self._move.credential, self._site.parking.admit()
        self._note(credential=credential, step=_AGAIN.get(self._move.step, self._move.step))
        if former and former != credential:  # its secret died with the command before
            self._parked.dismiss(former)
        if self._move.step is Step.PARK:
            return
        self._deadline = self._site.clock.monotonic() + self._limits.maximum
        try:
            self._parked.resume(self._move.park, credential)
        except ParkLostError as error:
            self._see_who_wrote(error)
            self._site.say(f"{error}: parking again")
            self._note(park=self._parked.park(credential))
            self._parked.drained(self._deadline)

    def _see_who_wrote(self, error: ParkLostError) -> None:
        """The park has ended: what clients have written since must not be lost by a restore."""
        standing, move = self._site.host.look(), self._move
        if not standing.processes:
            return
        head = self._site.database.head()
        if (standing.place, head) == (move.source.place, move.source.head):
            raise _ReturnedError(str(error))
        if move.step in _RESTORES and not self._discard:
            raise _NeedsConsentError(self._endings.needs_consent(move, error))

    def _park(self) -> str:
        self._note(park=self._parked.park(self._move.credential))
        self._deadline = self._site.clock.monotonic() + self._limits.maximum
        return f"park {self._move.park}"

    def _until(self, waiting: Callable[[], str], seconds: float) -> None:
        """Wait; the way back is neither given up for its length, nor if somebody ends the park."""
        if self._move.back:
            until(self._site, waiting, seconds, float("inf"))
        else:
            until(self._site, waiting, seconds, self._deadline, self._parked.guard)

    # --- the database --------------------------------------------------------------------------

    def _save(self) -> str:
        taken = self._changing.save(self._move)
        self._note(snapshot=taken)
        return taken.place

    def _migrate(self) -> str:
        self._parked.guard()
        left = self._deadline - self._site.clock.monotonic()
        return self._changing.migrate(self._move, left, resumed=self._resumed)

    # --- the end -------------------------------------------------------------------------------

    def _finish(self, measured: Measured | None = None) -> None:
        """Write that nothing is in progress any more; clients do not wait for that."""
        if self._move.credential:
            self._parked.dismiss(self._move.credential)
        self._journal = self._journal.end(self._move, measured)
        try:
            self._site.folder.write(self._journal.to_text())
        except JournalError as error:
            self._site.say(
                f"the journal still says that this {self._move.kind.value} is in progress, which "
                f"the next command understands: {error}"
            )

    def _measured(self) -> Measured | None:
        """What to estimate by, if this command did all of it."""
        took = {each.step: each.seconds for each in self._site.phases.ended}
        if not self._measures or Step.MIGRATE not in took:
            return None
        try:
            size = self._site.database.size()
        except HeadgateError:
            return None
        start = took[Step.START] + took[Step.HEALTH]
        now = self._site.clock.now()
        return Measured(now, size, took[Step.SNAPSHOT], took[Step.MIGRATE], start)
