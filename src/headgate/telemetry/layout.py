"""Where each series lies in a row of counters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

from headgate.telemetry.metrics import METRICS, Metric


class Layout:
    """Gives every series of every metric its cells, one after the other from 0.

    The series of a metric that has ``most`` of them are found while the gate runs: it is given so
    many cells (``request_series.py``).

    ``size``: how many cells there are.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.size = 0
        self._starts: dict[str, int] = {}
        self._strides: dict[str, tuple[int, ...]] = {}
        self._series: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for metric in metrics:
            counts = [len(label.values) for label in metric.labels]
            strides = tuple(metric.cells * math.prod(counts[at + 1 :]) for at in range(len(counts)))
            self._starts[metric.name] = self.size
            self._strides[metric.name] = strides
            if metric.most:
                self._series[metric.name] = []
                self.size += metric.cells * metric.most
            else:
                self._series[metric.name] = self._enumerated(metric)
                self.size += metric.cells * math.prod(counts)

    def _enumerated(self, metric: Metric) -> list[tuple[tuple[str, ...], int]]:
        values = itertools.product(*(label.values for label in metric.labels))
        return [(each, self.size + at * metric.cells) for at, each in enumerate(values)]

    def start(self, metric: Metric) -> int:
        """The first cell of a metric.

        Raises:
            KeyError: it is not declared.
        """
        return self._starts[metric.name]

    def at(self, metric: Metric, values: Sequence[str]) -> int:
        """The first cell of the series with these values of the labels.

        Raises:
            KeyError: the metric is not declared.
            ValueError: a value is not among those of its label.
        """
        strides = self._strides[metric.name]
        return self._starts[metric.name] + sum(
            stride * label.values.index(value)
            for stride, label, value in zip(strides, metric.labels, values, strict=True)
        )

    def series(self, metric: Metric) -> Sequence[tuple[tuple[str, ...], int]]:
        """Every series of a metric: the values of its labels, and its first cell."""
        return self._series[metric.name]


LAYOUT: Final = Layout(METRICS)
