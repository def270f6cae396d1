"""The page of what CloudWatch gets and what that costs, from the selection and the alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from docs.reference_pages.markdown import GENERATED, table
from headgate.telemetry.emf_documents import Datum, Unit, documents
from headgate.telemetry.emf_selection import (
    BUDGET,
    HEARTBEAT,
    SELECTION,
    SERVICE,
    TRAFFIC,
    UPSTREAM,
    Chosen,
    metric_count,
)
from headgate.telemetry.emf_values import MOST, spread
from headgate.telemetry.metrics import LOOP_LAG, Kind
from tools.observability import cloudwatch_alarms, cloudwatch_queries
from tools.observability.alerts import RUNBOOK
from tools.observability.cloudwatch import PLACEHOLDERS, TRAFFICS

METRIC_PRICE: Final = 0.30
"""Dollars a month for each of the first 10,000 custom metrics, us-east-1, in November 2026."""
ALARM_PRICE: Final = 0.10
"""Dollars a month for each metric that an alarm looks at, at standard resolution."""
DASHBOARD_PRICE: Final = 3.00
"""Dollars a month for a dashboard; an account has three for nothing."""
LOG_PRICE: Final = 0.50
"""Dollars for a gigabyte that CloudWatch Logs takes in."""
_MINUTES: Final = 30 * 24 * 60

_INTRODUCTION = f"""# CloudWatch

What a gate with `telemetry.cloudwatch.enabled` writes once a minute, in CloudWatch's embedded
metric format, and what is made of it in `deploy/observability/`. [Watch the gate in
CloudWatch](../how-to/watch-in-cloudwatch.md) says how to use it.

## Metrics

Each is a number for all workers of a gate; the gates (tasks) of a service write the same metrics,
and CloudWatch's statistic puts them together. `{SERVICE}` is `telemetry.cloudwatch.service`,
`{UPSTREAM}` the name of an upstream, `{TRAFFIC}` one of {", ".join(f"`{e}`" for e in TRAFFICS)}.
No dimension names an experiment, a run, a principal or an address: the lines of the access log
have these, for Logs Insights.

"""
_VALUES = f"""
Counts are those of the minute; they are written also where they are 0. *Values* are durations of
single requests whose route is known, made up from the buckets of a histogram, since the format has
no buckets: spread evenly within each bucket. So "p99 is above x" is exact where x is a bound of the
buckets ([bounds](metrics.md#buckets)), and a percentile is otherwise wrong by less than the width
of its bucket. Of more than {MOST} values in a minute, {MOST} stand for all: p99 then lies between
the true p98.8 and p99.2, and the buckets of the smallest and the largest are kept. So take numbers
of requests from `Requests`, not from the sample count of a duration. What took longer than the
highest bound counts as that bound.

The gates of a service weigh as much in a percentile as they have values: that is exact until one of
them has more than {MOST} in a minute.
"""


def page() -> str:
    """The whole page."""
    return (
        GENERATED
        + _INTRODUCTION
        + table(("Metric", "Dimensions", "Unit", "Statistic", "Made of", "Meaning"), _metrics())
        + _VALUES
        + _alarms()
        + "\n## Queries\n\n`cloudwatch-queries.json` has these queries for Logs Insights.\n"
        + "".join(_query(name) for name in cloudwatch_queries.QUERIES)
        + "\n## Placeholders\n\nThe files have these in `${…}`.\n\n"
        + table(("Placeholder", "Put in"), ((f"`{n}`", text) for n, text in PLACEHOLDERS.items()))
        + _costs()
    )


def _metrics() -> Iterator[Sequence[str]]:
    yield (
        f"`{HEARTBEAT}`",
        f"`{SERVICE}`",
        "`Count`",
        "`Sum`",
        "",
        "1 from each gate; what is missing says that nothing arrives.",
    )
    for each in SELECTION:
        names = [SERVICE, *([each.dimension] if each.dimension else [])]
        yield (
            f"`{each.name}`",
            ", ".join(f"`{name}`" for name in names),
            f"`{each.unit.value}`",
            _statistic(each),
            f"`{each.metric.name}`",
            each.text,
        )


def _statistic(chosen: Chosen) -> str:
    if chosen.metric.kind is Kind.HISTOGRAM:
        return "`p50`, `p99`; values"
    if chosen.metric.kind is Kind.COUNTER:
        return "`Sum`"
    return {"SUM": "`Sum`", "MAX": "`Maximum`", "MIN": "`Minimum`"}[chosen.metric.over.name]


def _alarms() -> str:
    rows = [
        *((each, "once") for each in cloudwatch_alarms.service_alarms()),
        *((each, "for each upstream") for each in cloudwatch_alarms.upstream_alarms()),
    ]
    return (
        "\n## Alarms\n\n`cloudwatch-alarms.json` has these, under `service` and `upstream`. "
        "Alarms that page go to another topic than those that can wait.\n\n"
        + table(("Alarm", "Needed", "Fires where", "Missing data"), (_alarm(*row) for row in rows))
    )


def _alarm(alarm: Mapping[str, Any], needed: str) -> Sequence[str]:
    name = alarm["AlarmName"].split("-")[0]
    metrics = alarm.get("Metrics")
    seconds = alarm["Period"] if metrics is None else metrics[0]["MetricStat"]["Period"]
    what = (
        f"{alarm['Statistic']} of {alarm['MetricName']}" if metrics is None else _computed(metrics)
    )
    sign = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm["ComparisonOperator"]]
    bad, last = alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]
    return (
        f"[`{alarm['AlarmName']}`](../{RUNBOOK.removeprefix('docs/')}#{name.lower()})",
        needed,
        f"{what} {sign} {alarm['Threshold']:g} in {bad} of {last} periods of {seconds // 60} min",
        f"`{alarm['TreatMissingData']}`",
    )


def _computed(metrics: Sequence[Mapping[str, Any]]) -> str:
    return f"{metrics[-1]['Label']}:"


def _query(name: str) -> str:
    return f"\n### {name}\n\n```text\n{cloudwatch_queries.text(name)}\n```\n"


# --- what it costs ---------------------------------------------------------------------------


def alarm_metrics(upstreams: int) -> int:
    """How many metrics the alarms of a service look at."""
    return sum(map(_looked_at, cloudwatch_alarms.service_alarms())) + upstreams * sum(
        map(_looked_at, cloudwatch_alarms.upstream_alarms())
    )


def _looked_at(alarm: Mapping[str, Any]) -> int:
    return sum("MetricStat" in each for each in alarm.get("Metrics", ())) or 1


def minute_bytes(upstreams: int, *, busy: bool) -> int:
    """How many bytes of documents a gate writes in a minute; ``busy``: with all the values."""
    names = [f"upstream-{at}" for at in range(upstreams)]
    data = [Datum(HEARTBEAT, Unit.COUNT, {SERVICE: "headgate"}, (1,))]
    for chosen in SELECTION:
        values: Sequence[float] = (1_000,) if busy else (0,)
        if chosen.is_distribution:
            bounds = chosen.metric.bounds
            # Event loops are looked at also where there are no requests.
            count = MOST if busy or chosen.metric is LOOP_LAG else 0
            values = spread(bounds, [count] * (len(bounds) + 1))
        for value in {"": [""], UPSTREAM: names, TRAFFIC: sorted(set(chosen.kinds.values()))}[
            chosen.dimension
        ]:
            more = {chosen.dimension: value} if value else {}
            if values:
                data.append(Datum(chosen.name, chosen.unit, {SERVICE: "headgate"} | more, values))
    return sum(map(len, documents("Headgate", data, 1.8e9)))


def _costs() -> str:
    def row(upstreams: int) -> Sequence[str]:
        metrics, looked = metric_count(upstreams), alarm_metrics(upstreams)
        return (
            str(upstreams),
            str(metrics),
            f"{metrics * METRIC_PRICE:.2f}",
            str(looked),
            f"{looked * ALARM_PRICE:.2f}",
        )

    def volume(*, busy: bool) -> str:
        size = minute_bytes(2, busy=busy)
        gigabytes = size * _MINUTES / 1e9
        return f"{size / 1000:.1f} kB, {gigabytes:.2f} GB, ${gigabytes * LOG_PRICE:.2f}"

    header = ("Upstreams", "Metrics", "$ for metrics", "Metrics of alarms", "$ for alarms")
    return (
        "\n## Costs\n\nCloudWatch bills each combination of name and dimensions as a metric. For a "
        f"service, in a month, at ${METRIC_PRICE:.2f} for a metric and ${ALARM_PRICE:.2f} for a "
        "metric of an alarm (us-east-1, November 2026; look at the [prices]"
        "(https://aws.amazon.com/cloudwatch/pricing/) of your region):\n\n"
        + table(header, map(row, (1, 2, 4)))
        + f"\nAt most {BUDGET} metrics with two upstreams; that is the same for one task as for "
        "ten, and kinds of traffic that there are not cost nothing. A dashboard costs "
        f"${DASHBOARD_PRICE:.2f} after the first three of an account. The documents of one gate "
        f"with two upstreams, in a minute and in a month at ${LOG_PRICE:.2f} for a gigabyte: "
        f"{volume(busy=False)} where there are no requests, and at most {volume(busy=True)}. The "
        "access log costs more than they do: about 1 kB for a request.\n"
    )
