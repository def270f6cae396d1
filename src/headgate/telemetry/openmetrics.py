"""The counters in the text format of OpenMetrics 1.0, which has exemplars.

https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headgate.telemetry.counters import Counters
from headgate.telemetry.exemplars import Exemplars
from headgate.telemetry.metrics import METRICS, Kind, Metric
from headgate.telemetry.sample_lines import AfterBucket, sample_lines

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_UNITS: Final = ("seconds", "bytes")


def exposition(counters: Counters) -> Iterator[str]:
    """The whole page, in parts."""
    totals = counters.totals()
    for metric in METRICS:
        yield from _head(metric)
        after_bucket = _exemplars(counters.exemplars, metric) if metric.exemplars else None
        for series in totals.series(metric):
            yield from sample_lines(metric, series, after_bucket)
    yield "# EOF\n"


def _head(metric: Metric) -> Iterator[str]:
    """A family has the name of its counter without ``_total``, and ends in its unit."""
    family = metric.name
    if metric.kind is Kind.COUNTER:
        family = family.removesuffix("_total")
    yield f"# TYPE {family} {metric.kind}\n"
    unit = family.rpartition("_")[2]
    if unit in _UNITS:
        yield f"# UNIT {family} {unit}\n"
    text = metric.text.replace("\\", "\\\\").replace('"', '\\"')
    yield f"# HELP {family} {text}\n"


def _exemplars(exemplars: Exemplars, metric: Metric) -> AfterBucket:
    def after(labels: Sequence[str], bucket: int) -> str:
        found = exemplars.get(metric, labels[0], bucket)
        if found is None:
            return ""
        ids = f'trace_id="{found.trace_id}",span_id="{found.span_id}"'
        return f" # {{{ids}}} {found.value:.6f} {found.time:.3f}"

    return after
