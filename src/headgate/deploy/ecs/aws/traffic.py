"""What the load balancer saw of the service, from CloudWatch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.records import Service, Traffic

NAMESPACE = "AWS/ApplicationELB"
MINUTE = 60


class LoadBalancing:
    """The metrics of the service's target groups.

    Responses that the load balancer itself made (``HTTPCode_ELB_5XX_Count``) are counted for the
    whole load balancer only; they count if no other service is behind it.
    Source: docs.aws.amazon.com/elasticloadbalancing/latest/application/
    load-balancer-cloudwatch-metrics.html.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def traffic(self, service: Service, start: float, end: float) -> Traffic:
        """See ``ControlPlane``."""
        groups = _target_groups(service)
        balancers = self._balancers(groups) if groups else {}
        if not balancers:
            raise PlaneError(
                PlaneFailure.UNSUPPORTED,
                "the service is behind no load balancer, which would count its requests and 5xx: "
                "deploy with --watch 0",
            )
        queries = _queries(balancers, [*self._unshared(balancers, groups)], end - start)
        values = self._values(queries, start, end)
        p99s = values["p99"]
        return Traffic(
            requests=sum(values["requests"]),
            server_errors=sum(values["target_5xx"]) + sum(values["elb_5xx"]),
            p99=max(p99s) if p99s else None,
        )

    def _balancers(self, groups: Sequence[str]) -> dict[str, str]:
        """The ARN of the load balancer of each target group that has one."""
        response = self._calls.ask(
            permissions.TARGET_GROUPS, "the service's target groups", TargetGroupArns=list(groups)
        )
        return {
            each["TargetGroupArn"]: each["LoadBalancerArns"][0]
            for each in response.get("TargetGroups", ())
            if each.get("LoadBalancerArns")
        }

    def _unshared(self, balancers: Mapping[str, str], groups: Sequence[str]) -> set[str]:
        """The load balancers that have no other target groups than the service's."""
        unshared = set()
        for balancer in set(balancers.values()):
            response = self._calls.ask(
                permissions.TARGET_GROUPS, "the load balancer", LoadBalancerArn=balancer
            )
            if {each["TargetGroupArn"] for each in response.get("TargetGroups", ())} <= set(groups):
                unshared.add(balancer)
        return unshared

    def _values(
        self, queries: Sequence[Mapping[str, Any]], start: float, end: float
    ) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {
            "requests": [], "target_5xx": [], "elb_5xx": [], "p99": []
        }  # fmt: skip
        results = self._calls.pages(
            permissions.METRICS,
            "the load balancer's metrics",
            "MetricDataResults",
            "NextToken",
            MetricDataQueries=list(queries),
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
        )
        for each in results:
            values[each["Id"].rpartition("_")[0]] += each.get("Values", ())
        return values


def _target_groups(service: Service) -> list[str]:
    groups = []
    for each in service.document.get("loadBalancers", ()):
        groups.append(each.get("targetGroupArn"))
        groups.append(each.get("advancedConfiguration", {}).get("alternateTargetGroupArn"))
    return [each for each in groups if each]


def _queries(
    balancers: Mapping[str, str], unshared: Sequence[str], seconds: float
) -> list[Mapping[str, Any]]:
    whole = max(MINUTE, math.ceil(seconds / MINUTE) * MINUTE)
    found = []
    for number, (group, balancer) in enumerate(balancers.items()):
        both = {"LoadBalancer": _suffix(balancer), "TargetGroup": group.rpartition(":")[2]}
        found += [
            _query(f"requests_{number}", "RequestCount", both, MINUTE, "Sum"),
            _query(f"target_5xx_{number}", "HTTPCode_Target_5XX_Count", both, MINUTE, "Sum"),
            # A quantile of minutes cannot be made one of the whole time: CloudWatch does it.
            _query(f"p99_{number}", "TargetResponseTime", both, whole, "p99"),
        ]
    for number, balancer in enumerate(unshared):
        only = {"LoadBalancer": _suffix(balancer)}
        found.append(_query(f"elb_5xx_{number}", "HTTPCode_ELB_5XX_Count", only, MINUTE, "Sum"))
    return found


def _query(
    name: str, metric: str, dimensions: Mapping[str, str], period: int, statistic: str
) -> Mapping[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": period,
            "Stat": statistic,
        },
    }


def _suffix(balancer: str) -> str:
    """``app/NAME/ID`` of a load balancer's ARN, which is its dimension."""
    return balancer.rpartition(":")[2].partition("/")[2]
