"""What all processes of a gate have counted, at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    METRICS,
    UPSTREAM,
    Kind,
    Metric,
    Over,
    Shown,
)


class Series(NamedTuple):
    """One series: the values of its labels, and its numbers as they lie in memory."""

    labels: tuple[str, ...]
    cells: tuple[int, ...]


GAUGES: Final = tuple(
    start for each in METRICS if each.kind is Kind.GAUGE for _, start in LAYOUT.series(each)
)
"""The cells of all gauges."""

_OTHERS: Final = UPSTREAM.values[-1]
_GROUP: Final = [each for each in METRICS if each.shown is Shown.WITH_GROUP]


def encoded(value: int) -> int:
    """The cell of a gauge that is not a sum: 0 stands for one that is not set."""
    return value + 1 if value >= 0 else value


def decoded(cell: int) -> int:
    """The value of such a gauge."""
    return cell - 1 if cell > 0 else cell


class Totals:
    """The values of every series.

    Args:
        cells: those of all processes together.
        requests: the labels of each series of requests, by its place.
        upstreams: the name of each place of an upstream; none where there is nothing to show.
    """

    def __init__(
        self,
        cells: list[int],
        requests: Sequence[tuple[str, ...]],
        upstreams: Sequence[str | None],
    ) -> None:
        self._cells = cells
        self._requests = requests
        self._upstreams = dict(zip(UPSTREAM.values, upstreams, strict=True))

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
        for at in GAUGES:
            new[at] = self._cells[at]
        return Totals(new, self._requests, tuple(self._upstreams.values()))

    def value(self, metric: Metric, *labels: str) -> int:
        """The number of one series of a counter or gauge; 0 for one that no process has set."""
        for have, cells in self.series(metric):
            if have == labels:
                return cells[0]
        if not (metric.most or any(label.named for label in metric.labels)):
            LAYOUT.at(metric, labels)  # a label that is not declared is a defect
        return 0

    def series(self, metric: Metric) -> Iterator[Series]:
        """The series of a metric that are to be exposed."""
        all_cells, size = self._cells, metric.cells
        for labels, start in self._places(metric):
            if size == 1:
                cell = all_cells[start]
                if metric.over is not Over.SUM:
                    if cell:
                        yield Series(labels, (decoded(cell),))
                elif cell or self._is_shown_at_zero(metric, labels):
                    yield Series(labels, (cell,))
            else:
                cells = all_cells[start : start + size]
                if any(cells) or self._is_shown_at_zero(metric, labels):
                    yield Series(labels, tuple(cells))

    def _places(self, metric: Metric) -> Iterator[tuple[tuple[str, ...], int]]:
        if metric.most:
            start = LAYOUT.start(metric)
            for place, labels in enumerate(self._requests):
                yield labels, start + place
        elif metric.labels and metric.labels[0].named:
            for (place_name, *rest), start in LAYOUT.series(metric):
                name = self._upstreams[place_name]
                if name is not None:
                    yield (name, *rest), start
        else:
            yield from LAYOUT.series(metric)

    def _is_shown_at_zero(self, metric: Metric, labels: tuple[str, ...]) -> bool:
        if metric.shown is Shown.WITH_GROUP:
            return any(self._is_counted(each, labels) for each in _GROUP)
        is_of_others = bool(metric.labels) and metric.labels[0].named and labels[0] == _OTHERS
        return metric.shown is Shown.ALWAYS and not is_of_others

    def _is_counted(self, metric: Metric, labels: tuple[str, ...]) -> bool:
        start = LAYOUT.at(metric, labels)
        return any(self._cells[start : start + metric.cells])
