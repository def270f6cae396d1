"""Writes the metrics for CloudWatch, once a minute, in its embedded metric format.

One process of a gate does it, from the counters of all; what it has written stands in memory that
the processes share, so that the one which takes its place goes on from there: what was counted is
written once, and the next minute is not late.
"""

from __future__ import annotations

import asyncio
import mmap
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from headgate.config import CloudWatch
from headgate.events import Emit, InternalError, Log, LossCause
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.emf_documents import documents
from headgate.telemetry.emf_selection import selected
from headgate.telemetry.metrics import TELEMETRY_EXPORTS, TELEMETRY_LOST

PERIOD: Final = 60.0
"""Seconds between two sets of documents, at most: the period of CloudWatch's standard metrics."""
MIDDLE: Final = 30.0
"""The second of a minute in which documents are written, so that each minute gets one set."""
LARGEST_STEP: Final = 15.0
"""Seconds by which a period is shortened, at most, to come to that second."""
EARLY: Final = 1.0
"""Seconds before that second that need no correction: a timer may be a little early."""
EXPORTER: Final = "emf"
_CAUSES: Final = {
    LossCause.STALLED: "stalled",
    LossCause.FULL: "full",
    LossCause.GONE: "unreachable",
    LossCause.ERROR: "error",
}


def pause(wall: float) -> float:
    """Seconds from a set of documents, written at that time of the day, to the next one.

    At most ``PERIOD``, whatever the clock says: a clock that is set makes the next few periods a
    little shorter, until documents are written in the middle of its minutes again.
    """
    late = (wall - MIDDLE) % PERIOD
    if late > PERIOD - EARLY:
        return PERIOD
    return PERIOD - min(late, LARGEST_STEP)


class EmfMemory:
    """What was written so far, and when to write again; made before the workers are forked."""

    def __init__(self, counters: Counters) -> None:
        self._due = memoryview(mmap.mmap(-1, 8)).cast("d")
        self._counted = memoryview(mmap.mmap(-1, 8 * len(counters.totals().cells))).cast("q")

    @property
    def due(self) -> float:
        """When to write next, on the clock that all processes share; 0: nobody has said it yet."""
        return self._due[0]

    @due.setter
    def due(self, moment: float) -> None:
        self._due[0] = moment

    @property
    def counted(self) -> list[int]:
        """What documents were written for: all cells of ``Totals``, as they were then."""
        return self._counted.tolist()

    @counted.setter
    def counted(self, cells: Sequence[int]) -> None:
        self._counted[:] = array("q", cells)


class Lines(Protocol):
    """Where lines are written (``line_sink.LineSink``)."""

    def add(self, batch: bytes, lines: int, counted: int) -> None:
        """Take whole lines."""

    def flush(self) -> None:
        """Write what there is room for."""

    def drop(self) -> None:
        """Lose the lines that found no room."""

    def take_uncounted(self) -> int:
        """How many lines were lost since this was asked last."""
        ...


class EmfLosses:
    """Counts documents that are lost as lines of a log, and among what exporters lose."""

    def __init__(self, row: CounterRow) -> None:
        self._row = row

    def lose(self, log: Log, cause: LossCause, lines: int) -> None:
        """See ``line_sink.Losses``."""
        self._row.add(TELEMETRY_LOST, EXPORTER, _CAUSES[cause], amount=lines)
        self._row.lose(log, cause, lines)

    def cuts(self) -> int:
        """See ``line_sink.Losses``."""
        return self._row.cuts()

    def leave_out(self, lines: int) -> None:
        """See ``line_sink.Losses``; no document is left out on purpose."""


class EmfWriter:
    """Writes what was counted since the last documents.

    Args:
        settings: the names.
        counters: of all processes.
        memory: what was written so far.
        lines: where documents are written.
        row: where this process counts.
        emit: takes the events.
        clock: seconds, the same for all processes; it never goes back.
        wall: seconds since 1970; it may jump.
    """

    def __init__(
        self,
        settings: CloudWatch,
        counters: Counters,
        memory: EmfMemory,
        lines: Lines,
        row: CounterRow,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._memory = memory
        self._lines = lines
        self._row = row
        self._emit = emit
        self._clock = clock
        self._wall = wall

    async def run(self) -> None:
        """Write once a minute, endlessly; a worker that replaces another keeps its time."""
        memory = self._memory
        if not memory.due:
            memory.due = self._clock() + pause(self._wall())
        while True:
            await asyncio.sleep(max(0.0, memory.due - self._clock()))
            self.turn()

    def turn(self) -> None:
        """Write, and set the time for the next set of documents."""
        self._memory.due = self._clock() + pause(self._wall())
        self._try(gauges=True)

    def finish(self) -> None:
        """Write what was counted last, once all workers have ended."""
        self._try(gauges=False)

    def _try(self, *, gauges: bool) -> None:
        try:
            self.write(gauges=gauges)
        except Exception as error:  # noqa: BLE001 - supervisor: no export may end a process
            self._emit(InternalError("writing metrics for CloudWatch", error))

    def write(self, *, gauges: bool = True) -> None:
        """Write one set of documents; without ``gauges``, only what was counted.

        What is written is noted first, so that a process which dies meanwhile leaves nothing that
        is counted twice.  Where nothing at all can be written, the note is taken back, and the
        counts come with the next set.
        """
        totals = self._counters.totals()
        before = self._memory.counted
        self._memory.counted = totals.cells
        new = totals.since(before)
        data = list(selected(new, self._settings.service, gauges=gauges))
        written = lost = 0
        for line in documents(self._settings.namespace, data, self._wall()):
            if self._written(line):
                written += 1
            else:
                lost += 1
        if not written:
            self._memory.counted = before
        self._row.add(TELEMETRY_EXPORTS, EXPORTER, "failed" if lost else "ok")

    def _written(self, line: bytes) -> bool:
        lines = self._lines
        lines.add(line, 1, 0)
        lines.flush()
        lines.drop()
        return not lines.take_uncounted()
