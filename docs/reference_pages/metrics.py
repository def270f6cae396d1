"""The page of metrics, from ``headgate.telemetry.metrics``."""

from __future__ import annotations

from docs.reference_pages.markdown import GENERATED, table
from headgate.telemetry.metrics import METRICS, Metric, Shown

_INTRODUCTION = """# Metrics

`/-/metrics` has these in Prometheus' text format, summed over all workers. Labels are closed sets:
no value names an object, a key or a person. Counters begin at 0 when the gate starts, and outlive
the workers.

"""
_LEGEND = """
*Series* is the most that Prometheus can store of a metric, with two upstreams.
*From the start*: every series is there
before anything happens; otherwise a series appears with the first request that it counts.
"""


def page() -> str:
    """The whole page."""
    rows = (
        (
            f"`{metric.name}`",
            metric.kind,
            f"`{metric.unit}`",
            ", ".join(f"`{label.name}`" for label in metric.labels) or "none",
            f"{metric.series(upstreams=2):,}",
            "yes" if metric.shown is Shown.ALWAYS else "no",
            metric.text,
        )
        for metric in METRICS
    )
    header = ("Metric", "Kind", "Unit", "Labels", "Series", "From the start", "Meaning")
    return (
        GENERATED
        + _INTRODUCTION
        + table(header, rows)
        + _LEGEND
        + "\n## Labels\n\n"
        + table(("Metric", "Label", "Values"), _label_rows())
        + "\n## Buckets\n\n"
        + "".join(map(_buckets, (each for each in METRICS if each.bounds)))
    )


def _label_rows() -> list[tuple[str, str, str]]:
    rows: dict[tuple[str, str], list[str]] = {}
    for metric in METRICS:
        for label in metric.labels:
            values = label.text or ", ".join(f"`{value}`" for value in label.values)
            rows.setdefault((label.name, values), []).append(f"`{metric.name}`")
    return [(", ".join(names), f"`{name}`", values) for (name, values), names in rows.items()]


def _buckets(metric: Metric) -> str:
    bounds = ", ".join(f"{bound:g}" for bound in metric.bounds)
    return f"- `{metric.name}`: {bounds} and no bound (`{metric.unit}`).\n"
