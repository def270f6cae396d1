"""The dashboard is what Grafana imports: whole, with units, links and variables."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from headgate.telemetry.metrics import METRICS
from tests.support.promql import read
from tools.observability import grafana
from tools.observability.alerts import ALERTS, System

DASHBOARD = json.loads(grafana.page())
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
OF_GRAFANA = {"__rate_interval", "__range"}
# Ids of Grafana's value formats (packages/grafana-data/src/valueFormats/categories.ts).
UNITS = {
    "binBps",
    "bool_yes_no",
    "bytes",
    "cps",
    "dateTimeFromNow",
    "none",
    "percentunit",
    "reqps",
    "s",
    "short",
}


def panels() -> Iterator[dict[str, Any]]:
    """Every panel, those of collapsed rows too."""
    for each in DASHBOARD["panels"]:
        yield each
        yield from each.get("panels", ())


SHOWN = [each for each in panels() if each["type"] != "row"]


def test_it_has_what_grafana_wants_of_a_dashboard() -> None:
    assert DASHBOARD["schemaVersion"] >= 41
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD  # it is that of one Grafana
    assert {"title", "panels", "templating", "time", "annotations"} <= DASHBOARD.keys()


def test_panels_have_numbers_and_titles_of_their_own() -> None:
    assert not [
        number for number, times in Counter(each["id"] for each in panels()).items() if times > 1
    ]
    assert not [
        title for title, times in Counter(each["title"] for each in panels()).items() if times > 1
    ]


def test_panels_lie_on_the_grid_and_on_no_other_panel() -> None:
    places = [each["gridPos"] for each in panels()]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("panel", SHOWN, ids=lambda each: each["title"])
def test_a_panel_says_what_it_shows_in_which_unit_from_which_source(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0]["value"] is None
    assert [each["value"] for each in steps[1:]] == sorted(each["value"] for each in steps[1:])
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in sources)
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == sorted(set(letters))


@pytest.mark.parametrize("panel", SHOWN, ids=lambda each: each["title"])
def test_seconds_bytes_and_rates_have_their_units(panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    queries = [target["expr"] for target in panel["targets"]]
    for query in queries:
        first = read(query).uses[0].metric
        if "_bytes" in first:
            assert unit == ("binBps" if "rate(" in query else "bytes")
        elif query.startswith("histogram_quantile"):
            assert unit == "s"
        elif query.startswith("sum by") and "(rate(" in query and "_total" in first:
            assert unit in ("reqps", "cps", "short")


@pytest.mark.parametrize("panel", SHOWN, ids=lambda each: each["title"])
def test_exemplars_are_asked_for_where_there_are_some(panel: dict[str, Any]) -> None:
    with_exemplars = {f"{metric.name}_bucket" for metric in METRICS if metric.exemplars}
    for target in panel["targets"]:
        has = any(use.metric in with_exemplars for use in read(target["expr"]).uses)
        assert not target["exemplar"] or has
    if panel["title"] in ("Whole requests, 99 %", "Wait for the first byte, 99 %"):
        assert panel["targets"][0]["exemplar"]


def test_each_variable_that_is_used_exists_and_each_that_exists_is_used() -> None:
    text = json.dumps({key: value for key, value in DASHBOARD.items() if key != "templating"})
    used = set(re.findall(r"\$\{?(\w+)", text)) - OF_GRAFANA
    assert used == set(VARIABLES)


def test_variables_ask_only_for_variables_before_them() -> None:
    known: set[str] = set()
    for name, variable in VARIABLES.items():
        assert set(re.findall(r"\$(\w+)", variable.get("definition", ""))) <= known
        known.add(name)


def test_queries_of_a_gate_keep_to_the_chosen_gates() -> None:
    for panel in SHOWN:
        for target in panel["targets"]:
            for use in read(target["expr"]).uses:
                labels = {matcher.label: matcher.value for matcher in use.matchers}
                assert labels["job"].startswith("$job"), target["expr"]
                if ":" not in use.metric and use.metric != "ALERTS":
                    assert labels["instance"] == "$instance", target["expr"]


def test_each_alert_of_prometheus_is_linked_from_a_panel_that_shows_what_it_watches() -> None:
    linked = {link["url"].partition("#")[2] for panel in SHOWN for link in panel["links"]}
    assert linked == {each.anchor for each in ALERTS if System.PROMETHEUS in each.systems}


def test_each_metric_is_on_the_dashboard() -> None:
    shown = {
        use.metric
        for panel in SHOWN
        for target in panel["targets"]
        for use in read(target["expr"]).uses
    }
    without_parts = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert {metric.name for metric in METRICS} - without_parts - shown == set()
