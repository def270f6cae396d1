"""What the two text formats of Prometheus have in common: the lines of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from headgate.telemetry.metrics import Kind, Metric
from headgate.telemetry.totals import Series

AfterBucket = Callable[[Sequence[str], int], str]
"""What follows the value of a bucket, by the values of the labels and the place of the bucket."""


def sample_lines(
    metric: Metric, series: Series, after_bucket: AfterBucket | None = None
) -> Iterator[str]:
    """The lines of one series, each with its end."""
    labels = _labels(metric, series)
    if metric.kind is not Kind.HISTOGRAM:
        yield f"{metric.name}{_braces(labels)} {_number(series.cells[0], metric.scale)}\n"
        return
    *buckets, total = series.cells
    start = f"{metric.name}_bucket{{{labels},le=" if labels else f"{metric.name}_bucket{{le="
    bounds = (*metric.bounds, "+Inf")
    for at, (bound, number) in enumerate(zip(bounds, accumulate(buckets), strict=True)):
        after = after_bucket(series.labels, at) if after_bucket is not None and buckets[at] else ""
        yield f'{start}"{bound}"}} {number}{after}\n'
    yield f"{metric.name}_sum{_braces(labels)} {total * metric.scale:.6f}\n"
    yield f"{metric.name}_count{_braces(labels)} {sum(buckets)}\n"


def _number(cell: int, scale: float) -> str:
    return str(cell) if scale == 1.0 else f"{cell * scale:.6f}"


def _labels(metric: Metric, series: Series) -> str:
    pairs = zip(metric.labels, series.labels, strict=True)
    return ",".join(f'{label.name}="{_escaped(value)}"' for label, value in pairs)


def _escaped(value: str) -> str:
    """The names of upstreams may have any characters."""
    if value.isalnum():
        return value
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
