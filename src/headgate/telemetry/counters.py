"""Counts of what the gate did, in memory that all its processes share.

Each process adds to a row of its own, so nothing is locked and nothing is lost when a worker dies;
a reader adds the rows up, or takes the largest or the smallest of those that are set.  Every
series has its cells from the start (``layout.py``), as many as its metric is declared with
(``metrics``): what is not declared cannot be counted.  What cannot be laid out before the start,
the names of upstreams and rare combinations of labels, has places that are claimed
(``claims.py``).
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from headgate.events import Log, LossCause
from headgate.model import Outcome
from headgate.telemetry.claims import UpstreamPlaces
from headgate.telemetry.exemplars import Exemplars
from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    LOG_LINES_LOST,
    LOG_LINES_SAMPLED_OUT,
    METRICS,
    OTHER,
    RETRIES,
    UPSTREAM,
    UPSTREAM_PLACES,
    Metric,
    Over,
)
from headgate.telemetry.request_counter import RequestCounter
from headgate.telemetry.request_series import RequestSeries
from headgate.telemetry.request_sums import SIZE, add_sums
from headgate.telemetry.totals import GAUGES, Totals, decoded, encoded

# How the rows of a gauge come to one value, where that is not their sum.
_OVER: Final = {
    start: max if each.over is Over.MAX else min
    for each in METRICS
    if each.over is not Over.SUM
    for _, start in LAYOUT.series(each)
}

_USE_AT: Final[int] = LAYOUT.size + SIZE
_IN_USE, _LEFT = 1, 2
_HEARTBEAT_AT: Final[int] = _USE_AT + UPSTREAM_PLACES
_ROW: Final[int] = _HEARTBEAT_AT + 1


class Counters:
    """The counts of all processes of one gate; made before the workers are forked.

    ``exemplars``: the traces of some requests.

    Args:
        workers: how many there will be.
    """

    def __init__(self, workers: int) -> None:
        # One more row, for the supervisor.
        self._workers = workers
        self._cuts_at = (workers + 1) * _ROW
        self._bytes = memoryview(mmap.mmap(-1, (self._cuts_at + 1) * 8))
        self._cells = self._bytes.cast("q")
        self._places = UpstreamPlaces(UPSTREAM_PLACES, OTHER)
        self._series = RequestSeries()
        self.exemplars = Exemplars()
        self._rows: dict[int, CounterRow] = {}

    def row(self, worker: int) -> CounterRow:
        """Where one worker counts; a worker that replaces another goes on in its row."""
        row = self._rows.get(worker)
        if row is None:
            row = self._rows[worker] = self._make_row(worker)
        return row

    def _make_row(self, worker: int) -> CounterRow:
        start, end = worker * _ROW, (worker + 1) * _ROW
        cells = self._cells[start:end]
        requests = RequestCounter(
            cells,
            self._bytes[start * 8 : end * 8],
            self._series,
            self._places.place,
            self.exemplars,
        )
        cuts = self._cells[self._cuts_at : self._cuts_at + 1]
        return CounterRow(cells, cuts, self._places, requests)

    def supervisor_row(self) -> CounterRow:
        """Where the supervisor counts."""
        return self.row(self._workers)

    def clear_gauges(self, worker: int) -> None:
        """Forget how things stood in a worker that has ended; what it counted stays."""
        row = worker * _ROW
        for at in (*GAUGES, *range(_USE_AT, _HEARTBEAT_AT)):
            self._cells[row + at] = 0

    def totals(self) -> Totals:
        """What all processes have counted, as it is now."""
        rows = [
            self._cells[at * _ROW : (at + 1) * _ROW].tolist() for at in range(self._workers + 1)
        ]
        cells = list(map(sum, zip(*rows, strict=True)))
        for at, choose in _OVER.items():
            cells[at] = _chosen(choose, [row[at] for row in rows])
        add_sums(cells, cells)
        # The names come after the cells: what has cells by then has its name.
        return Totals(cells, self._series.labels(), self._names(rows))

    def _names(self, rows: Sequence[list[int]]) -> list[str | None]:
        """The names of the places of upstreams; none for one that is not to be shown."""
        names: list[str | None] = [None] * (len(UPSTREAM.values) - 1) + [OTHER]
        for place, name in enumerate(self._places.names()):
            uses = {row[_USE_AT + place] for row in rows}
            if _IN_USE in uses or _LEFT not in uses:
                names[place] = name
        return names

    def beat(self, worker: int, value: int) -> None:
        """Set a worker's heartbeat: a number that grows; 0 while its event loop does not run."""
        self._cells[worker * _ROW + _HEARTBEAT_AT] = value

    def heartbeat(self, worker: int) -> int:
        """The heartbeat of a worker."""
        return self._cells[worker * _ROW + _HEARTBEAT_AT]


class CounterRow:
    """The cells of one process."""

    def __init__(
        self,
        cells: memoryview[int],
        cuts: memoryview[int],
        places: UpstreamPlaces,
        requests: RequestCounter,
    ) -> None:
        self._cells = cells
        self._cuts = cuts
        self._places = places
        self._requests = requests

    def count(self, outcome: Outcome) -> None:
        """Add one request."""
        self._requests.count(outcome)
        if outcome.retries:
            for each in outcome.retries:
                self.add(RETRIES, outcome.upstream, each.failure)

    def add(self, metric: Metric, *labels: str, amount: int = 1) -> None:
        """Add to one series of a counter; for what is rare.

        Raises:
            ValueError: a label does not have that value.
        """
        self._cells[self._at(metric, labels)] += amount

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram; for what is rare."""
        at = self._at(metric, labels)
        self._cells[at + bisect_left(metric.bounds, value)] += 1
        self._cells[at + len(metric.bounds) + 1] += round(value / metric.scale)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set this process's part of a gauge; for what is rare.

        A counter that the system counts, such as CPU time, is set as well.  Its value must not go
        down when a worker is replaced: begin with what ``value`` says at the start.
        """
        number = round(value / metric.scale)
        at = self._at(metric, labels)
        self._cells[at] = number if metric.over is Over.SUM else encoded(number)

    def unset(self, metric: Metric, *labels: str) -> None:
        """Take back this process's part of a gauge: it has no value any more."""
        self._cells[self._at(metric, labels)] = 0

    def unset_gauges(self) -> None:
        """Take back this process's part of every gauge: the process has ended."""
        for at in GAUGES:
            self._cells[at] = 0

    def value(self, metric: Metric, *labels: str) -> float:
        """Read this process's part of a counter or gauge; 0 if it has not set it."""
        cell = self._cells[self._at(metric, labels)]
        return metric.scale * (cell if metric.over is Over.SUM else decoded(cell))

    def use_upstream(self, name: str, *, in_force: bool) -> None:
        """Say whether an upstream is in force in this process.

        Its series are shown until it has left every process that has had it.
        """
        place = self._places.place(name)
        if place < UPSTREAM_PLACES:
            self._cells[_USE_AT + place] = _IN_USE if in_force else _LEFT

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

    def _at(self, metric: Metric, labels: Sequence[str]) -> int:
        if metric.labels and metric.labels[0].named:
            place = UPSTREAM.values[self._places.place(labels[0])]
            return LAYOUT.at(metric, (place, *labels[1:]))
        return LAYOUT.at(metric, labels)


def _chosen(choose: Callable[[list[int]], int], cells: list[int]) -> int:
    """The value of a gauge of those of all processes that have set it."""
    values = [decoded(cell) for cell in cells if cell]
    return encoded(choose(values)) if values else 0
