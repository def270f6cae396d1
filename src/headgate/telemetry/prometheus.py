"""The counters in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from headgate.telemetry.counters import Counters, Series
from headgate.telemetry.metrics import METRICS, Kind, Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(counters: Counters) -> Iterator[str]:
    """The whole page, line by line."""
    totals = counters.totals()
    for metric in METRICS:
        yield f"# HELP {metric.name} {metric.text}\n# TYPE {metric.name} {metric.kind}\n"
        for series in totals.series(metric):
            if metric.kind is Kind.HISTOGRAM:
                yield from _histogram(metric, series)
            else:
                value = _number(series.cells[0], metric.scale)
                yield f"{metric.name}{_braces(_labels(metric, series))} {value}\n"


def _histogram(metric: Metric, series: Series) -> Iterator[str]:
    *buckets, total = series.cells
    labels = _labels(metric, series)
    for bound, number in zip((*metric.bounds, "+Inf"), accumulate(buckets), strict=True):
        yield f"{metric.name}_bucket{_braces([*labels, ('le', str(bound))])} {number}\n"
    yield f"{metric.name}_sum{_braces(labels)} {total * metric.scale:.6f}\n"
    yield f"{metric.name}_count{_braces(labels)} {sum(buckets)}\n"


def _number(cell: int, scale: float) -> str:
    return str(cell) if scale == 1.0 else f"{cell * scale:.6f}"


def _labels(metric: Metric, series: Series) -> list[tuple[str, str]]:
    names = (label.name for label in metric.labels)
    return list(zip(names, series.labels, strict=True))


def _braces(labels: list[tuple[str, str]]) -> str:
    """The labels as text; their values are plain words, which need no escape."""
    text = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{text}}}" if text else ""
