"""CloudWatch takes alarms, dashboard and queries, and the gate writes what they name."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import jsonschema
import pytest

from headgate.telemetry.emf_selection import HEARTBEAT, SELECTION, SERVICE
from tests.support.cloudwatch_files import (
    FOLDER,
    OURS,
    VALUES,
    Named,
    alarms,
    filled,
    named_by_alarm,
    named_by_dashboard,
    problems,
)
from tools.observability.alerts import ALERTS, System
from tools.observability.cloudwatch import PLACEHOLDERS

FILES: Final = ("cloudwatch-alarms.json", "cloudwatch-dashboard.json", "cloudwatch-queries.json")
EMITTED: Final[frozenset[Named]] = frozenset(
    (OURS, name, frozenset(filter(None, (SERVICE, dimension))))
    for name, dimension in [(HEARTBEAT, ""), *((each.name, each.dimension) for each in SELECTION)]
)
AMAZONS: Final[frozenset[Named]] = frozenset(
    ("AWS/Logs", name, frozenset({"LogGroupName"}))
    for name in ("EMFParsingErrors", "EMFValidationErrors")
)
ALARMS: Final = alarms()
DASHBOARD: Final[Mapping[str, Any]] = filled("cloudwatch-dashboard.json")


def name_of(alarm: Mapping[str, Any]) -> str:
    return str(alarm["AlarmName"])


@pytest.mark.parametrize("name", FILES)
def test_every_placeholder_is_documented_and_nothing_else_is_one(name: str) -> None:
    """For Python's ``string.Template`` and for Terraform's ``templatefile`` alike."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    left = re.sub(r"\$\$\{", "", text)
    assert set(re.findall(r"\$\{(\w+)\}", left)) <= set(PLACEHOLDERS)
    assert left.count("$") == len(re.findall(r"\$\{\w+\}", left))
    assert "%{" not in text
    assert set(PLACEHOLDERS) == set(VALUES)


# --- alarms --------------------------------------------------------------------------------------


def test_each_alert_that_cloudwatch_can_tell_has_an_alarm_and_each_alarm_an_alert() -> None:
    wanted = {each.name for each in ALERTS if System.CLOUDWATCH in each.systems}
    assert {name_of(each).split("-")[0] for each in ALARMS} == wanted
    assert len({name_of(each) for each in ALARMS}) == len(ALARMS)


@pytest.mark.parametrize("alarm", ALARMS, ids=name_of)
def test_an_alarm_is_one_that_cloudwatch_takes(alarm: Mapping[str, Any]) -> None:
    assert problems("cloudwatch", "PutMetricAlarm", alarm) == ""
    assert len(alarm["AlarmDescription"]) <= 1024
    assert alarm["TreatMissingData"] in ("breaching", "notBreaching", "ignore", "missing")
    assert 1 <= alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]
    metrics = alarm.get("Metrics", ())
    periods = {each["MetricStat"]["Period"] for each in metrics if "MetricStat" in each}
    (period,) = periods or {alarm["Period"]}  # all of one expression have the same
    assert period % 60 == 0
    assert period * alarm["EvaluationPeriods"] <= 86_400


@pytest.mark.parametrize("alarm", ALARMS, ids=name_of)
def test_an_alarm_looks_at_what_is_written(alarm: Mapping[str, Any]) -> None:
    named = set(named_by_alarm(alarm))
    assert named
    assert named <= EMITTED | AMAZONS
    assert {each["Value"] for each in alarm.get("Dimensions", ())} <= set(VALUES.values())


@pytest.mark.parametrize("alarm", ALARMS, ids=name_of)
def test_an_alarm_says_what_to_do_and_tells_somebody(alarm: Mapping[str, Any]) -> None:
    link = re.search(r"Runbook: (\S+)#(\w+)$", alarm["AlarmDescription"])
    assert link is not None
    assert link[1] == f"{VALUES['docs']}/docs/how-to/respond-to-alerts.md"
    assert link[2] == name_of(alarm).split("-")[0].lower()
    severity = next(each["Value"] for each in alarm["Tags"] if each["Key"] == "severity")
    assert alarm["AlarmActions"] == alarm["OKActions"] == [VALUES[f"{severity}_topic"]]


@pytest.mark.parametrize("alarm", [each for each in ALARMS if "Metrics" in each], ids=name_of)
def test_an_expression_names_only_metrics_that_it_has(alarm: Mapping[str, Any]) -> None:
    identities = {each["Id"] for each in alarm["Metrics"]}
    assert all(re.fullmatch(r"[a-z]\w*", each) for each in identities)
    (result,) = [each for each in alarm["Metrics"] if each["ReturnData"]]
    words = set(re.findall(r"\b[a-z]\w*\b", result["Expression"]))
    assert words == identities - {result["Id"]}


def test_silence_is_bad_and_nothing_else_that_is_missing() -> None:
    breaching = [each for each in ALARMS if each["TreatMissingData"] == "breaching"]
    assert [each["MetricName"] for each in breaching] == [HEARTBEAT]


# --- the dashboard -------------------------------------------------------------------------------

_NUMBER: Final = {"type": "integer", "minimum": 0}
_OPTIONS: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "stat": {"type": "string", "pattern": r"^(Sum|Average|Minimum|Maximum|SampleCount|p\d+)$"},
        "label": {"type": "string"},
        "id": {"type": "string", "pattern": "^[a-z][a-zA-Z0-9_]*$"},
        "visible": {"type": "boolean"},
        "expression": {"type": "string"},
    },
}
_LINE: Final = {
    "type": "array",
    "minItems": 1,
    "contains": _OPTIONS,
    "items": {"anyOf": [{"type": "string"}, _OPTIONS]},
}


def _widget(kind: str, required: list[str], properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "properties": {
            "type": {"const": kind},
            "properties": {
                "type": "object",
                "required": required,
                "additionalProperties": False,
                "properties": properties,
            },
        }
    }


_TEXT: Final = {"type": "string"}
DASHBOARD_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["widgets"],
    "additionalProperties": False,
    "properties": {
        "start": {"type": "string", "pattern": r"^-PT?\d+[MHDW]$"},
        "periodOverride": {"enum": ["auto", "inherit"]},
        "widgets": {
            "type": "array",
            "maxItems": 500,
            "items": {
                "type": "object",
                "required": ["type", "x", "y", "width", "height", "properties"],
                "additionalProperties": False,
                "properties": {
                    "type": _TEXT,
                    "x": {"type": "integer", "minimum": 0, "maximum": 23},
                    "y": _NUMBER,
                    "width": {"type": "integer", "minimum": 1, "maximum": 24},
                    "height": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "properties": {"type": "object"},
                },
                "oneOf": [
                    _widget("text", ["markdown"], {"markdown": _TEXT}),
                    _widget(
                        "log",
                        ["query", "region"],
                        {"query": _TEXT, "region": _TEXT, "title": _TEXT, "view": _TEXT},
                    ),
                    _widget(
                        "metric",
                        ["metrics", "region"],
                        {
                            "title": _TEXT,
                            "view": {"enum": ["timeSeries", "singleValue"]},
                            "stacked": {"type": "boolean"},
                            "region": _TEXT,
                            "period": {"type": "integer", "multipleOf": 60},
                            "metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 500,
                                "items": _LINE,
                            },
                            "yAxis": {"type": "object"},
                            "annotations": {
                                "type": "object",
                                "required": ["horizontal"],
                                "additionalProperties": False,
                                "properties": {
                                    "horizontal": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["value"],
                                            "properties": {
                                                "value": {"type": "number"},
                                                "label": _TEXT,
                                            },
                                        },
                                    }
                                },
                            },
                        },
                    ),
                ],
            },
        },
    },
}
"""By "Dashboard body structure and syntax" of the API reference of CloudWatch."""


def test_the_dashboard_is_one_that_cloudwatch_takes() -> None:
    jsonschema.validate(DASHBOARD, DASHBOARD_SCHEMA)
    parameters = {"DashboardName": "gate-1", "DashboardBody": json.dumps(DASHBOARD)}
    assert problems("cloudwatch", "PutDashboard", parameters) == ""


def test_no_two_widgets_lie_on_each_other_and_none_beyond_the_edge() -> None:
    cells: set[tuple[int, int]] = set()
    for each in DASHBOARD["widgets"]:
        columns = range(each["x"], each["x"] + each["width"])
        rows = range(each["y"], each["y"] + each["height"])
        own = set(itertools.product(columns, rows))
        assert columns.stop <= 24
        assert not own & cells
        cells |= own


def test_the_dashboard_shows_what_is_written_and_all_of_it() -> None:
    assert set(named_by_dashboard(DASHBOARD)) == EMITTED


def test_expressions_of_the_dashboard_name_metrics_of_their_graph() -> None:
    for widget in DASHBOARD["widgets"]:
        lines = widget["properties"].get("metrics", ())
        identities = {line[-1]["id"] for line in lines if "id" in line[-1]}
        for line in lines:
            expression = line[-1].get("expression", "")
            if "SEARCH" not in expression:
                assert set(re.findall(r"\b[a-z]\w*\b", expression)) <= identities
