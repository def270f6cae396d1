"""Watches the workers of a gate: their heartbeats, and what they write besides their events."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Protocol

from headgate.events import Emit, WorkerOutput, WorkerStalled, WorkerStuck
from headgate.runtime.processes import Process
from headgate.runtime.pulse import Stopwatch
from headgate.runtime.signals import kill

START_SECONDS = 60.0
"""The longest time for a worker before its event loop runs, and after it has ended."""
STUCK_SECONDS = 15.0
STACK_MARK = "Timeout ("
"""How ``faulthandler`` begins what it writes of a loop that stands still."""


class Heartbeats(Protocol):
    """The heartbeats of the workers, in memory that the supervisor shares with them."""

    def beat(self, worker: int, value: int) -> None:
        """Set the heartbeat of a worker."""

    def heartbeat(self, worker: int) -> int:
        """The heartbeat of a worker."""
        ...

    def clear_gauges(self, worker: int) -> None:
        """Forget how things stood in a worker that has ended."""
        ...


class WorkerHealth:
    """Looks at the workers twice a second, and ends those that stand still.

    Args:
        heartbeats: in memory shared with the workers.
        emit: takes the events.
        stuck_after: seconds for which a worker's event loop may stand still.
        now: on the supervisor's clock.
    """

    def __init__(self, heartbeats: Heartbeats, emit: Emit, stuck_after: float, now: float) -> None:
        self._heartbeats = heartbeats
        self._emit = emit
        self._stuck_after = stuck_after
        self._watch = Stopwatch(now)

    @property
    def due(self) -> float:
        """When to look again."""
        return self._watch.due

    def look(self, processes: Sequence[Process], now: float) -> None:
        """Look at every worker."""
        elapsed = self._watch.lap(now)
        for process in processes:
            process.pulse.note(self._heartbeats.heartbeat(process.number), elapsed)
            allowed = self._stuck_after if process.pulse.beat else START_SECONDS
            if process.pulse.silent >= allowed and not process.stuck:
                self._kill_stuck(process)
            elif process.output and not process.fresh:
                self._log_output(process)
            process.fresh = False

    def _kill_stuck(self, process: Process) -> None:
        """End a worker that serves no client; like any that dies it is replaced."""
        process.stuck = True
        runs, seconds = process.pulse.beat > 0, round(process.pulse.silent, 1)
        stack = process.take_output()
        self._emit(WorkerStuck(process.number, process.pid, seconds, stack, runs))
        kill(process.pid, signal.SIGKILL)

    def _log_output(self, process: Process) -> None:
        """Log what a worker has written besides its events."""
        if process.output.lstrip().startswith(STACK_MARK.encode()):
            if process.pulse.silent > 2:
                return  # it is needed if the loop goes on to stand still
            kind: type[WorkerStalled | WorkerOutput] = WorkerStalled
        else:
            kind = WorkerOutput
        self._emit(kind(process.number, process.pid, process.take_output()))
