"""Brings what operators ask of upstreams from the store to a gate, and reports the gate there.

One worker of the gate does it, whichever has the lock, in a thread: no request waits.  The others
have it from the gate's memory (``worker_maintenance.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, NamedTuple, Protocol

from headgate.errors import HeadgateError
from headgate.events import (
    Emit,
    GateForgotten,
    MaintenanceFollowed,
    MaintenanceNotFollowed,
    MaintenanceNotKept,
    MaintenanceRecalled,
)
from headgate.runtime.gate_report import GateName, gate_report, serves, shared, sketch
from headgate.runtime.kept_directives import KeptDirectives, NotKeptError
from headgate.runtime.worker_maintenance import WorkerMaintenance
from headgate.stores.maintenance import GateReport, MaintenanceStore, OlderSchemaError
from headgate.tasks import to_the_end

LOOK_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 15.0
"""How often a gate reports that it is there while nothing is asked and nothing changes."""
FORGET_SECONDS: Final = 5.0
"""How long a gate has to be gone before it is forgotten: for so long MLflow may go on with a
request whose gate was killed."""
PATIENT_SECONDS: Final = 10.0
"""How often a store of an older schema is looked at."""


class _Said(NamedTuple):
    """A report that the store has, and when it was sent."""

    report: GateReport
    at: float


class Marks(Protocol):
    """The marks of the gates in the data folder; see ``gate_marks.py``."""

    def ended(self) -> Sequence[str]:
        """The ids of those of which nothing is left."""
        ...

    def remove(self, gate_id: str) -> None:
        """Remove the mark of a gate that has left the store."""


class _NoMarks:
    """Of a gate without a data folder."""

    def ended(self) -> Sequence[str]:
        """See ``Marks``."""
        return ()

    def remove(self, gate_id: str) -> None:
        """See ``Marks``."""


NO_MARKS: Final = _NoMarks()


class MaintenanceFollower:
    """Follows the store for the whole gate, in the worker that leads; in the others it waits.

    Args:
        worker: what this worker follows.
        open_store: opens the store.
        gate: what the gate says of itself.
        clock: seconds from an arbitrary start.
        emit: takes the events.
        marks: of the gates in the data folder; by default there are none.
        kept: what was asked last, for a start while the store is away; ``None``: nothing is kept.
    """

    def __init__(
        self,
        worker: WorkerMaintenance,
        open_store: Callable[[], MaintenanceStore],
        gate: GateName,
        clock: Callable[[], float],
        emit: Emit,
        marks: Marks = NO_MARKS,
        kept: KeptDirectives | None = None,
    ) -> None:
        self._worker: Final = worker
        self._memory: Final = worker.memory
        self._open: Final = open_store
        self._kept: Final = kept
        self._gate: Final = gate
        self._clock: Final = clock
        self._emit: Final = emit
        self._marks: Final = marks
        self._ended: frozenset[str] = frozenset()
        self._forget_at = 0.0
        self._store: MaintenanceStore | None = None
        self._told_at: float | None = None
        self._said: _Said | None = None
        self._trouble: str | None = None
        self._kept_trouble = ""
        self._look_again = 0.0

    def load(self) -> None:
        """Register the gate and read what is asked, unless another worker has.

        To be called before the first request is served: a park that is asked for from now on waits
        for this gate, and one from before is read.  While the store cannot be read, what the memory
        has is in force, and of a gate that has just started what was kept in a file.
        """
        # What a gate before has left says what is asked, and nothing of this gate.
        if self._memory.changes and self._memory.heard_at > -math.inf:
            return
        try:
            for step in (self._register, self._follow):
                try:
                    step()
                except Exception as error:  # noqa: BLE001 - supervisor, as in ``_turn``
                    self._note(error)
            if not self._memory.changes:
                self._recall()
        finally:
            self._close()  # another worker may be the one that leads

    def _recall(self) -> None:
        """Follow what was asked last that this gate has heard of: the store cannot be read."""
        kept = self._kept
        if kept is None:
            return
        try:
            found = kept.read()
        except NotKeptError as error:
            self._note_kept(kept, str(error))
            return
        if found and self._memory.follow(found, 0):
            self._emit(MaintenanceRecalled(tuple(found), str(kept.path)))

    def _keep(self) -> None:
        """Keep what is asked, before it is acknowledged; in the thread."""
        kept = self._kept
        if kept is None:
            return
        try:
            kept.write(self._memory.directives())
        except NotKeptError as error:
            self._note_kept(kept, str(error))
        else:
            self._kept_trouble = ""

    def _note_kept(self, kept: KeptDirectives, trouble: str) -> None:
        if trouble != self._kept_trouble:
            self._kept_trouble = trouble
            self._emit(MaintenanceNotKept(str(kept.path), trouble))

    def _register(self) -> None:
        """Let other gates know of this one."""
        self._tell(gate_report(self._memory, self._gate))

    async def run(self) -> None:
        """Follow the store until cancelled; the last worker of the gate takes its leave there."""
        # A thread of its own: it must not wait for what blocks in the loop's pool.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-parks") as executor:
            try:
                while True:
                    await asyncio.sleep(LOOK_SECONDS)
                    if self._clock() >= self._look_again and self._memory.lead():
                        await self._turn(executor)
            finally:
                if self._worker.end() and self._trouble is None:
                    await to_the_end(executor, self._leave)
                await to_the_end(executor, self._close)

    async def _turn(self, executor: Executor) -> None:
        try:
            await to_the_end(executor, self._follow)
            self._worker.look()
            await to_the_end(executor, self._keep)
            await to_the_end(executor, self._report)
            await to_the_end(executor, self._forget)
            await to_the_end(executor, self._hear_others)
        except Exception as error:  # noqa: BLE001 - supervisor: requests do not depend on it
            self._said = None  # what the store has may be older by the time that it is back
            self._note(error)
            if isinstance(error, OlderSchemaError):
                self._look_again = self._clock() + PATIENT_SECONDS
        else:
            self._note(None)

    def _follow(self) -> None:
        """Take over what the store has; in the thread."""
        since, told_at = self._memory.changes, self._told_at
        self._memory.follow(self._opened().directives(), since)
        if told_at is not None:
            # A park from before that waited for this gate or was just read, one from later waits.
            self._memory.heard(told_at)

    def _report(self) -> None:
        """Say how the gate stands, if there is anything to say; in the thread."""
        report = gate_report(self._memory, self._gate)
        said, now = self._said, self._clock()
        if said is not None and now - said.at < QUIET_SECONDS:
            is_busy = self._is_asked or not serves(report)
            if report == said.report if is_busy else sketch(report) == sketch(said.report):
                return
        self._tell(report)
        self._said = _Said(report, now)

    def _tell(self, report: GateReport) -> None:
        now = self._clock()
        self._opened().report(report)
        self._told_at = now

    def _forget(self) -> None:
        """Take the leave of gates that were killed, if it is time to look; in the thread."""
        if self._clock() < self._forget_at:
            return
        self._forget_at = self._clock() + FORGET_SECONDS
        ended = frozenset(self._marks.ended())
        for each in sorted(ended & self._ended):
            self._forget_one(each)
            self._marks.remove(each)
        self._ended = ended
        for gate in self._opened().gates():
            if gate.is_gone:
                self._forget_one(gate.report.id)

    def _forget_one(self, gate_id: str) -> None:
        if self._opened().leave(gate_id):
            self._emit(GateForgotten(gate_id))

    @property
    def _is_asked(self) -> bool:
        """Whether anything is asked of any upstream."""
        return any(
            each.park is not None or each.read_only is not None
            for each in self._memory.directives().values()
        )

    def _hear_others(self) -> None:
        """Note who shares upstreams in other gates, where that matters; in the thread."""
        if self._said is not None and (self._is_asked or not serves(self._said.report)):
            self._memory.set_others(shared(self._opened().gates(), self._memory.gate_id))

    def _leave(self) -> None:
        with contextlib.suppress(HeadgateError):  # the next gate in the folder does it, if it can
            self._opened().leave(self._memory.gate_id)
            self._marks.remove(self._memory.gate_id)

    def _opened(self) -> MaintenanceStore:
        if self._store is None:
            self._store = self._open()
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _note(self, error: Exception | None) -> None:
        trouble = None if error is None else str(error)
        if error is not None and not isinstance(error, HeadgateError):
            trouble = f"a defect of the gate: {error!r}"
        if trouble != self._trouble:
            self._trouble = trouble
            self._emit(
                MaintenanceFollowed() if trouble is None else MaintenanceNotFollowed(trouble)
            )
