"""CloudWatch's metrics of the load balancer, from what it saw."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from headgate.testing.ecs.balancer import Seen

NAMESPACE = "AWS/ApplicationELB"


@contextlib.contextmanager
def answered_by_moto(seen: Callable[[], Sequence[Seen]]) -> Iterator[None]:
    """Let moto's ``GetMetricData`` have these metrics: its own knows no quantiles."""
    from moto.cloudwatch.models import CloudWatchBackend  # noqa: PLC0415 - tests alone have it

    real = CloudWatchBackend.get_metric_data

    def get_metric_data(
        backend: Any,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        ours = [each for each in queries if _is_ours(each)]
        others = [each for each in queries if not _is_ours(each)]
        window = start_time.timestamp(), end_time.timestamp()
        found = [_result(each, seen(), *window) for each in ours]
        if others:
            found += real(backend, others, start_time, end_time, scan_by)
        return found

    with mock.patch.object(CloudWatchBackend, "get_metric_data", get_metric_data):
        yield


def _is_ours(query: dict[str, Any]) -> bool:
    metric = query.get("MetricStat", {}).get("Metric", {})
    return bool(metric.get("Namespace") == NAMESPACE)


def _result(
    query: dict[str, Any], seen: Sequence[Seen], start: float, end: float
) -> dict[str, Any]:
    stat = query["MetricStat"]
    period = int(stat["Period"])
    dimensions = {each["Name"]: each["Value"] for each in stat["Metric"]["Dimensions"]}
    group = dimensions.get("TargetGroup", "").partition("/")[2].partition("/")[0]
    values, times = [], []
    at = math.floor(start / period) * period
    while at < end:
        part = [each for each in seen if max(at, start) <= each.at < min(at + period, end)]
        value = _value(stat["Metric"]["MetricName"], stat["Stat"], part, group)
        if value is not None:
            values.append(value)
            times.append(datetime.fromtimestamp(at, UTC))
        at += period
    return {
        "id": query["Id"],
        "label": query.get("Label") or query["Id"],
        "values": values,
        "timestamps": times,
        "status_code": "Complete",
    }


def _value(metric: str, stat: str, seen: Sequence[Seen], group: str) -> float | None:
    """One value of a period; None where CloudWatch has none."""
    of_group = [each for each in seen if each.group and group in ("", each.group)]
    if metric == "RequestCount":
        return float(len(of_group)) if of_group else None
    if metric == "HTTPCode_Target_5XX_Count":
        count = sum(each.status >= 500 for each in of_group)
        return float(count) if count else None
    if metric == "HTTPCode_ELB_5XX_Count":
        count = sum(each.status >= 500 for each in seen if not each.group)
        return float(count) if count else None
    if metric == "TargetResponseTime" and of_group:
        ordered = sorted(each.seconds for each in of_group)
        if stat.startswith("p"):
            return ordered[min(len(ordered) - 1, int(len(ordered) * float(stat[1:]) / 100))]
        return sum(ordered) / len(ordered)
    return None
