"""The page of metrics, from ``headgate.telemetry.metrics``."""

from __future__ import annotations

from docs.reference_pages.markdown import GENERATED, table
from headgate.telemetry.metrics import METRICS, Metric, Over, Shown

_INTRODUCTION = """# Metrics

`/-/metrics` has these in Prometheus' text format, or in OpenMetrics 1.0 with exemplars for who
asks for it by `Accept`, and the [operators' listener](configuration.md#ops) likewise. Counters
and histograms are sums over all processes, whichever worker is asked. A gauge is a sum as well,
such as connections; or the largest value of a process, such as an age, where one that is behind
is bad enough; or the smallest, such as the endpoints in service. A process that has not said
anything does not count. Labels are closed sets: no value names an object, a key or a person.
Counters begin at 0 when the gate starts, and outlive the workers.

"""
_LEGEND = """
*Series* is the most that Prometheus can store of a metric, with two upstreams. *From the start*:
every series is there before anything happens; otherwise a series appears with the first request
that it counts. The series of an upstream are shown until it has left every worker; the first 16
upstreams that are ever configured have series of their own, all others share `upstream="other"`.

`headgate_requests_total` has few series whatever clients send
([decision](../adr/0190-bounded-series-of-requests.md)): what was refused before its sender was
known is told apart by its reason alone, with `family="none"` and `method="none"`, and so is what
finds no place any more. How many requests of a family were refused is the count of
`headgate_request_duration_seconds` less `headgate_requests_total{reason="ok"}`.
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
            metric.over.value,
            "yes" if metric.shown is Shown.ALWAYS and metric.over is Over.SUM else "no",
            metric.text,
        )
        for metric in METRICS
    )
    header = (
        "Metric",
        "Kind",
        "Unit",
        "Labels",
        "Series",
        "Over processes",
        "From the start",
        "Meaning",
    )
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
