"""Where each series lies in a row of counters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

from headgate.telemetry.metrics import METRICS, Label, Metric


class Place:
    """Where the series of one metric lie: ``start``, and one ``stride`` for each label."""

    def __init__(self, start: int, strides: tuple[int, ...]) -> None:
        self.start = start
        self.strides = strides


class Layout:
    """Gives every series of every metric its cells, one after the other from 0.

    Metrics that share their first label lie together, value by value: what one request counts for
    its family is found by a single look-up.

    ``size``: how many cells there are.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.size = 0
        self._places: dict[str, Place] = {}
        self._groups: dict[str, tuple[int, int]] = {}  # the start of a group and its block's size
        self._series: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for metric in metrics:
            label = _first(metric)
            if metric.name not in self._places:
                alike = [each for each in metrics if label is not None and _first(each) is label]
                self._place(label, alike or [metric])
            self._series[metric.name] = self._enumerated(metric)

    def _place(self, label: Label | None, group: Sequence[Metric]) -> None:
        start, block = self.size, 0
        sizes = [(each, [len(one.values) for one in each.labels[1:]]) for each in group]
        total = sum(each.cells * math.prod(rest) for each, rest in sizes)
        for metric, rest in sizes:
            strides = [metric.cells * math.prod(rest[at + 1 :]) for at in range(len(rest))]
            own = () if label is None else (total, *strides)
            self._places[metric.name] = Place(start + block, own)
            block += metric.cells * math.prod(rest)
        if label is not None:
            self._groups[label.name] = (start, total)
        self.size += total * (1 if label is None else len(label.values))

    def _enumerated(self, metric: Metric) -> list[tuple[tuple[str, ...], int]]:
        place = self._places[metric.name]
        steps = [
            range(0, stride * len(label.values), stride)
            for stride, label in zip(place.strides, metric.labels, strict=True)
        ]
        values = itertools.product(*(label.values for label in metric.labels))
        starts = (place.start + sum(each) for each in itertools.product(*steps))
        return list(zip(values, starts, strict=True))

    def place(self, metric: Metric) -> Place:
        """Where a metric lies."""
        return self._places[metric.name]

    def at(self, metric: Metric, values: Sequence[str]) -> int:
        """The first cell of the series with these values of the labels.

        Raises:
            ValueError: one is not among the values of its label.
        """
        place = self._places[metric.name]
        return place.start + sum(
            stride * label.values.index(value)
            for stride, label, value in zip(place.strides, metric.labels, values, strict=True)
        )

    def series(self, metric: Metric) -> Sequence[tuple[tuple[str, ...], int]]:
        """Every series of a metric: the values of its labels, and its first cell."""
        return self._series[metric.name]

    def block(self, label: Label, value: str) -> tuple[int, int]:
        """From where to where lies what is counted for a value of a first label."""
        start, size = self._groups[label.name]
        first = start + size * label.values.index(value)
        return first, first + size


def _first(metric: Metric) -> Label | None:
    return metric.labels[0] if metric.labels else None


LAYOUT: Final = Layout(METRICS)
