"""The files for CloudWatch with their placeholders filled in, and the metrics that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

import botocore.loaders
import botocore.model
import botocore.validate

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "observability"
VALUES: Final[Mapping[str, str]] = {
    "service": "gate-1",
    "namespace": "Team/Headgate",
    "region": "eu-central-1",
    "log_group": "/ecs/headgate",
    "page_topic": "arn:aws:sns:eu-central-1:123456789012:page",
    "ticket_topic": "arn:aws:sns:eu-central-1:123456789012:ticket",
    "docs": "https://code.example.com/headgate/blob/main",
    "upstream": "team-b",
}
OURS: Final = VALUES["namespace"]

Named = tuple[str, str, frozenset[str]]
"""Namespace, name and the names of the dimensions of a metric."""


def filled(name: str, values: Mapping[str, str] = VALUES) -> Any:
    """What is in a file of ``deploy/observability``, filled in."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return json.loads(Template(text).substitute(values))


def problems(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """What botocore says of parameters, by the model of the service."""
    model = botocore.model.ServiceModel(
        botocore.loaders.Loader().load_service_model(service, "service-2"), service
    )
    shape = model.operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(parameters, shape)
    return str(report.generate_report())


def alarms() -> list[Mapping[str, Any]]:
    """All alarms of a service with one upstream."""
    found = filled("cloudwatch-alarms.json")
    return [*found["service"], *found["upstream"]]


def named_by_alarm(alarm: Mapping[str, Any]) -> Iterator[Named]:
    """The metrics that an alarm looks at."""
    if "MetricName" in alarm:
        yield _named(alarm)
    for each in alarm.get("Metrics", ()):
        if "MetricStat" in each:
            yield _named(each["MetricStat"]["Metric"])


def named_by_dashboard(body: Mapping[str, Any]) -> Iterator[Named]:
    """The metrics that a dashboard shows, those of searches included."""
    for widget in body["widgets"]:
        for line in widget["properties"].get("metrics", ()):
            *parts, options = line
            if parts:
                namespace, name, *pairs = parts
                yield namespace, name, frozenset(pairs[::2])
            elif "SEARCH" in options["expression"]:
                yield _searched(options["expression"])


def _named(metric: Mapping[str, Any]) -> Named:
    names: Iterable[str] = (each["Name"] for each in metric["Dimensions"])
    return metric["Namespace"], metric["MetricName"], frozenset(names)


def _searched(expression: str) -> Named:
    found = re.fullmatch(
        r"SEARCH\('\{([^,}]+),([^}]+)\} Service=\"[^\"]+\" MetricName=\"(\w+)\"', '\w+', 60\)",
        expression,
    )
    assert found is not None, expression
    return found[1], found[3], frozenset(found[2].split(","))
