"""Counts of what the gate did, in memory that all its processes share.

Each process adds to a row of its own, so nothing is locked and nothing is lost when a worker dies;
a reader adds the rows up, or takes the largest.  Every series has its cells from the start
(``layout.py``), as many as its metric is declared with (``metrics.py``): what is not declared
cannot be counted.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from headgate.events import Log, LossCause
from headgate.model import Outcome
from headgate.reasons import Reason
from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    CONNECTIONS,
    FAMILY,
    IN_FLIGHT,
    LOG_LINES_LOST,
    LOG_LINES_SAMPLED_OUT,
    METRICS,
    NONE,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUESTS,
    RESPONSE_BYTES,
    WORKERS_DRAINING,
    Kind,
    Metric,
    Over,
    Shown,
)

# What ``count`` adds to lies within the block of a family, at these places.
_START: Final[int] = LAYOUT.block(FAMILY, NONE)[0]
_FAMILY_AT: Final[dict[str, int]] = {
    "" if family == NONE else family: LAYOUT.block(FAMILY, family)[0] for family in FAMILY.values
}
_REQUESTS: Final[int] = LAYOUT.place(REQUESTS).start - _START
_REASON_AT: Final[dict[Reason, int]] = {
    reason: at * LAYOUT.place(REQUESTS).strides[3] + _REQUESTS for at, reason in enumerate(Reason)
}
_OK: Final = Reason.OK  # to look a member up in its class costs as much as ten attributes
_OK_AT: Final[int] = _REASON_AT[Reason.OK]
_DURATION: Final[int] = LAYOUT.place(REQUEST_DURATION).start - _START
_BOUNDS: Final = REQUEST_DURATION.bounds
_MICROSECONDS: Final[int] = _DURATION + len(_BOUNDS) + 1
_BYTES_IN: Final[int] = LAYOUT.place(REQUEST_BYTES).start - _START
_BYTES_OUT: Final[int] = LAYOUT.place(RESPONSE_BYTES).start - _START

_STATUS: Final[int] = LAYOUT.place(REQUESTS).strides[2]
_READ: Final[int] = LAYOUT.place(REQUESTS).strides[1]
_WRITE: Final[int] = 2 * _READ
_READS: Final = (b"GET", b"HEAD", b"OPTIONS")
# How the rows of a gauge come to one value, where that is not their sum.
_OVER: Final = {
    start: each.over
    for each in METRICS
    if each.over is not Over.SUM
    for _, start in LAYOUT.series(each)
}

_GAUGES: Final = [
    start for each in METRICS if each.kind is Kind.GAUGE for _, start in LAYOUT.series(each)
]

_HEARTBEAT_AT: Final[int] = LAYOUT.size
_ROW: Final[int] = LAYOUT.size + 1


def _encoded(value: int) -> int:
    """The cell of a gauge that is not a sum: 0 stands for one that is not set."""
    return value + 1 if value >= 0 else value


def _decoded(cell: int) -> int:
    return cell - 1 if cell > 0 else cell


class Series(NamedTuple):
    """One series: the values of its labels, and its numbers as they lie in memory."""

    labels: tuple[str, ...]
    cells: tuple[int, ...]


class Totals:
    """What all processes of a gate have counted, at one moment."""

    def __init__(self, cells: list[int]) -> None:
        self._cells = cells

    @property
    def cells(self) -> list[int]:
        """All numbers, for ``since`` at a later moment."""
        return self._cells

    def since(self, before: Sequence[int]) -> Totals:
        """What was counted after an earlier moment, whose ``cells`` are given; gauges as now.

        A number that is smaller than before was set to 0 in between.
        """
        new = [
            now - then if now >= then else now
            for now, then in zip(self._cells, before, strict=True)
        ]
        for at in _GAUGES:
            new[at] = self._cells[at]
        return Totals(new)

    def value(self, metric: Metric, *labels: str) -> int:
        """The number of one series of a counter or gauge; 0 for one that no process has set."""
        cell = self._cells[LAYOUT.at(metric, labels)]
        return cell if metric.over is Over.SUM else _decoded(cell)

    def series(self, metric: Metric) -> Iterator[Series]:
        """The series of a metric that are to be exposed."""
        for labels, start in LAYOUT.series(metric):
            cells = self._cells[start : start + metric.cells]
            if metric.over is not Over.SUM:
                if cells[0]:
                    yield Series(labels, (_decoded(cells[0]),))
            elif any(cells) or self._is_shown_at_zero(metric, labels):
                yield Series(labels, tuple(cells))

    def _is_shown_at_zero(self, metric: Metric, labels: tuple[str, ...]) -> bool:
        if metric.shown is Shown.WITH_GROUP:
            first, end = LAYOUT.block(metric.labels[0], labels[0])
            return any(self._cells[first:end])
        return metric.shown is Shown.ALWAYS


class Counters:
    """The counts of all processes of one gate; made before the workers are forked.

    Args:
        workers: how many there will be.
    """

    def __init__(self, workers: int) -> None:
        # One more row, for the supervisor.
        self._workers = workers
        self._cuts_at = (workers + 1) * _ROW
        self._memory = mmap.mmap(-1, (self._cuts_at + 1) * 8)
        self._cells = memoryview(self._memory).cast("q")

    def row(self, worker: int) -> CounterRow:
        """Where one worker counts; a worker that replaces another goes on in its row."""
        return CounterRow(
            self._cells[worker * _ROW : (worker + 1) * _ROW],
            self._cells[self._cuts_at : self._cuts_at + 1],
        )

    def supervisor_row(self) -> CounterRow:
        """Where the supervisor counts."""
        return self.row(self._workers)

    def totals(self) -> Totals:
        """The sums over all processes, as they are now."""
        rows = [
            self._cells[at * _ROW : (at + 1) * _ROW].tolist() for at in range(self._workers + 1)
        ]
        cells = [sum(each) for each in zip(*rows, strict=True)]
        for at, over in _OVER.items():
            parts = [_decoded(row[at]) for row in rows if row[at]]
            cells[at] = _encoded((max if over is Over.MAX else min)(parts)) if parts else 0
        return Totals(cells)

    def beat(self, worker: int, value: int) -> None:
        """Set a worker's heartbeat: a number that grows; 0 while its event loop does not run."""
        self._cells[worker * _ROW + _HEARTBEAT_AT] = value

    def heartbeat(self, worker: int) -> int:
        """The heartbeat of a worker."""
        return self._cells[worker * _ROW + _HEARTBEAT_AT]


class CounterRow:
    """The cells of one process."""

    def __init__(self, cells: memoryview[int], cuts: memoryview[int]) -> None:
        self._cells = cells
        self._cuts = cuts

    def count(self, outcome: Outcome) -> None:
        """Add one request."""
        cells = self._cells
        start = _FAMILY_AT[outcome.family]
        # Hashing an enum's member costs more than all the rest here.
        at = _OK_AT if outcome.reason is _OK else _REASON_AT[outcome.reason]
        method = outcome.method
        method_at = (_READ if method in _READS else _WRITE) if method else 0
        cells[start + method_at + at + outcome.status // 100 * _STATUS] += 1
        duration = outcome.duration
        cells[start + _DURATION + bisect_left(_BOUNDS, duration)] += 1
        cells[start + _MICROSECONDS] += int(duration * 1e6)
        if outcome.bytes_in:
            cells[start + _BYTES_IN] += outcome.bytes_in
        if outcome.bytes_out:
            cells[start + _BYTES_OUT] += outcome.bytes_out

    def add(self, metric: Metric, *labels: str, amount: int = 1) -> None:
        """Add to one series of a counter; for what is rare.

        Raises:
            ValueError: a label does not have that value.
        """
        self._cells[LAYOUT.at(metric, labels)] += amount

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram; for what is rare."""
        at = LAYOUT.at(metric, labels)
        self._cells[at + bisect_left(metric.bounds, value)] += 1
        self._cells[at + len(metric.bounds) + 1] += int(value / metric.scale)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set this process's part of a gauge; for what is rare.

        A counter that the system counts, such as CPU time, is set as well.  Its value must not go
        down when a worker is replaced: begin with what ``value`` says at the start.
        """
        number = int(value / metric.scale)
        at = LAYOUT.at(metric, labels)
        self._cells[at] = number if metric.over is Over.SUM else _encoded(number)

    def unset(self, metric: Metric, *labels: str) -> None:
        """Take back this process's part of a gauge: it has no value any more."""
        self._cells[LAYOUT.at(metric, labels)] = 0

    def value(self, metric: Metric, *labels: str) -> float:
        """Read this process's part of a counter or gauge; 0 if it has not set it."""
        cell = self._cells[LAYOUT.at(metric, labels)]
        return metric.scale * (cell if metric.over is Over.SUM else _decoded(cell))

    def lose(self, log: Log, cause: LossCause, lines: int) -> None:
        """Count lines of a log that were lost; none, where one may have been cut short."""
        self.add(LOG_LINES_LOST, log, cause, amount=lines)
        # Several processes may add at the same time and lose one; that it changes is enough.
        self._cuts[0] += 1

    def leave_out(self, lines: int) -> None:
        """Count lines of the access log that are left out on purpose."""
        self.add(LOG_LINES_SAMPLED_OUT, amount=lines)

    def cuts(self) -> int:
        """A number that changes whenever any process may have cut a line short."""
        return self._cuts[0]

    def set_gauges(self, *, connections: int, in_flight: int, draining: bool) -> None:
        """Say how things stand in this worker."""
        self.set(CONNECTIONS, connections)
        self.set(IN_FLIGHT, in_flight)
        self.set(WORKERS_DRAINING, int(draining))
