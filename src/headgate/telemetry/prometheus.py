"""The counters in Prometheus' text format (version 0.0.4).

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import METRICS
from headgate.telemetry.sample_lines import sample_lines

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(counters: Counters) -> Iterator[str]:
    """The whole page, in parts."""
    totals = counters.totals()
    for metric in METRICS:
        yield f"# HELP {metric.name} {metric.text}\n# TYPE {metric.name} {metric.kind}\n"
        for series in totals.series(metric):
            yield from sample_lines(metric, series)
