"""Carries what operators ask of upstreams to the workers of a gate, and says what came of it.

Each worker looks at the gate's memory twice a second.  One of them, whichever has the lock,
follows the store too, and reports the gate there.  It does so in a thread: no request waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
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
from headgate.maintenance import (
    Directive,
    ParkState,
    Sharing,
    Standing,
    UpstreamMaintenance,
    merged,
)
from headgate.runtime.fence import Fence
from headgate.runtime.kept_directives import KeptDirectives, NotKeptError
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.stores.maintenance import (
    GateReport,
    MaintenanceStore,
    OlderSchemaError,
    RegisteredGate,
    RevisionChangedError,
    UpstreamReport,
)

LOOK_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 15.0
"""How often a gate reports that it is there while nothing is asked and nothing changes."""
FORGET_SECONDS: Final = 5.0
"""How long a gate has to be gone before it is forgotten: for so long MLflow may go on with a
request whose gate was killed."""
PRESENT_SECONDS: Final = 60.0
"""A gate that has been silent for longer counts as none of those that share an upstream."""
PATIENT_SECONDS: Final = 10.0
"""How often a store of an older schema is looked at."""


class Parked(Protocol):
    """An upstream in a worker."""

    @property
    def maintenance(self) -> UpstreamMaintenance:
        """What follows its directive."""
        ...


@dataclass(frozen=True, slots=True)
class GateName:
    """What a gate says of itself: its name for a person, the version of Headgate, its fence."""

    name: str
    version: str
    fence: float = 0.0


class WorkerMaintenance:
    """What one worker follows.

    Args:
        memory: of the gate.
        worker: which worker this is.
        fence: holds requests of a gate that the store has not heard of; by default it goes on.
    """

    def __init__(self, memory: MaintenanceMemory, worker: int, fence: Fence | None = None) -> None:
        self.memory: Final = memory
        self._fence: Final = fence
        self._worker: Final = worker
        self._upstreams: Callable[[], Iterable[Parked]] = tuple
        self._changes = 0
        self._directives: Mapping[str, Directive] = {}
        self._said: Mapping[str, Standing] | None = None
        memory.start(worker)

    def follow(self, upstreams: Callable[[], Iterable[Parked]]) -> None:
        """From now on carry directives to these; one name may be there several times.

        To be called before the first request is served.
        """
        self._upstreams = upstreams
        self.look()

    def look(self) -> None:
        """Carry on what has changed; to be called twice a second, and after a reload."""
        # First of all: what lifts the fence was read from the store before.
        fence = None if self._fence is None else self._fence.look(self.memory.heard_at)
        changes = self.memory.changes
        if changes != self._changes:
            self._directives = self.memory.directives()
            self._changes = changes
        parts: dict[str, list[Standing]] = {}
        for each in self._upstreams():
            maintenance = each.maintenance
            name = maintenance.directive.upstream
            if changes or fence is not None:
                asked = self._directives.get(name) or Directive(name)
                directive = asked if fence is None else fence.held(asked)
                if maintenance.asked or directive != maintenance.directive:
                    maintenance.sharing = self.memory.sharing(self._worker, name)
                maintenance.take(directive)
            parts.setdefault(name, []).append(maintenance.report())
        found = {name: merged(standings) for name, standings in parts.items()}
        if found != self._said:
            self.memory.set(self._worker, found)
            self._said = found

    def end(self) -> bool:
        """The worker has ended its last request; whether it was the last worker of the gate."""
        self.memory.end(self._worker)
        return self.memory.is_empty


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


class GateFollower:
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
                except HeadgateError as error:
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
                    await _finished(executor, self._leave)
                await _finished(executor, self._close)

    async def _turn(self, executor: Executor) -> None:
        try:
            await _finished(executor, self._follow)
            self._worker.look()
            await _finished(executor, self._keep)
            await _finished(executor, self._report)
            await _finished(executor, self._forget)
            await _finished(executor, self._hear_others)
        except HeadgateError as error:
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
            is_busy = self._is_asked or not _serves(report)
            if report == said.report if is_busy else _sketch(report) == _sketch(said.report):
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
        if self._said is not None and (self._is_asked or not _serves(self._said.report)):
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

    def _note(self, error: HeadgateError | None) -> None:
        trouble = None if error is None else str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            self._emit(
                MaintenanceFollowed() if trouble is None else MaintenanceNotFollowed(trouble)
            )


def gate_report(memory: MaintenanceMemory, gate: GateName) -> GateReport:
    """How a gate stands, as its workers have said."""
    upstreams = {
        name: UpstreamReport(
            each.revision, each.state.value, each.in_flight, each.waiting, each.writing
        )
        for name, each in memory.standings().items()
    }
    return GateReport(
        memory.gate_id, gate.name, gate.version, memory.workers, upstreams, gate.fence
    )


def shared(gates: Iterable[RegisteredGate], own: str) -> Mapping[str, Sharing]:
    """Who shares each upstream in the gates that are there, but for the one with the id ``own``."""
    found: dict[str, Sharing] = {}
    for gate in gates:
        report = gate.report
        if report.id == own or gate.silent > PRESENT_SECONDS:
            continue
        for name, each in report.upstreams.items():
            so_far = found.get(name, Sharing(0))
            waiting = so_far.waiting + each.waiting
            found[name] = Sharing(so_far.workers + report.workers, waiting)
    return found


def _serves(report: GateReport) -> bool:
    """Whether every upstream is in its usual state, in every worker."""
    return all(each.state == ParkState.SERVING.value for each in report.upstreams.values())


def _sketch(report: GateReport) -> Mapping[str, tuple[int, str]]:
    """What of a report is worth a change of the store while nothing is asked."""
    return {name: (each.revision, each.state) for name, each in report.upstreams.items()}


class OwnMaintenanceStore:
    """A ``MaintenanceStore`` in the memory of a gate that has no other, for itself alone.

    Args:
        memory: of the gate.
        gate: what the gate says of itself.
    """

    def __init__(self, memory: MaintenanceMemory, gate: GateName) -> None:
        self._memory = memory
        self._gate = gate

    def close(self) -> None:
        """See ``MaintenanceStore``."""

    def directives(self) -> Mapping[str, Directive]:
        """See ``MaintenanceStore``."""
        return self._memory.directives()

    def put(self, directive: Directive, before: int) -> None:
        """See ``MaintenanceStore``."""
        if not self._memory.put(directive, before):
            raise RevisionChangedError

    def report(self, gate: GateReport) -> None:
        """See ``MaintenanceStore``: its own report needs no keeping, and there is no other."""

    def gates(self) -> Sequence[RegisteredGate]:
        """See ``MaintenanceStore``."""
        return [RegisteredGate(gate_report(self._memory, self._gate), 0.0)]

    def leave(self, gate_id: str) -> bool:
        """See ``MaintenanceStore``: it is there as long as anybody can ask."""
        return gate_id == self._memory.gate_id


async def _finished(executor: Executor, work: Callable[[], None]) -> None:
    """Let the thread do ``work``; a cancelled caller too leaves only when it is done."""
    running = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # else asyncio would log that nobody has asked for it
        raise
