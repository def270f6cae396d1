"""Each alert has its rule and its cases, and the file says what the tables say."""

from __future__ import annotations

import re
from typing import Any

import yaml

from headgate.reasons import Fault, Reason
from tools.observability import prometheus_rules, prometheus_tests
from tools.observability.alerts import ALERTS, System
from tools.observability.objectives import AVAILABILITY, BURN_RATES, PERIOD
from tools.observability.prometheus_tests import SCENARIOS

WATCHED = [each for each in ALERTS if System.PROMETHEUS in each.systems]


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for group in yaml.safe_load(prometheus_rules.page())["groups"]
        for rule in group["rules"]
    ]


def test_each_alert_has_one_rule_in_the_order_of_the_table() -> None:
    assert [rule["alert"] for rule in rules() if "alert" in rule] == [each.name for each in WATCHED]


def test_a_rule_says_who_looks_and_where_the_runbook_is() -> None:
    by_name = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    for alert in WATCHED:
        rule = by_name[alert.name]
        assert rule["labels"] == {"severity": alert.severity.value}
        assert rule["annotations"]["runbook"] == alert.runbook
        assert rule["annotations"]["summary"] == alert.summary
        assert rule["annotations"]["description"].endswith(alert.meaning)


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires = {each.alert.name for each in SCENARIOS if each.fires}
    silent = {each.alert.name for each in SCENARIOS if not each.fires}
    assert fires == silent == {each.name for each in WATCHED}


def test_cases_are_yaml_with_one_test_each() -> None:
    document = yaml.safe_load(prometheus_tests.page())
    assert len(document["tests"]) == len(SCENARIOS)
    assert document["rule_files"] == ["prometheus-rules.yml"]


def test_each_reason_is_taken_from_the_budget_of_the_one_at_fault() -> None:
    recorded = {
        rule["labels"]["budget"]: set(re.findall(r'reason=~"([^"]*)"', rule["expr"])[0].split("|"))
        for rule in rules()
        if rule.get("record") == "job:headgate_slo_errors:rate5m"
    }
    owners = {"gate": Fault.GATE, "mlflow": Fault.UPSTREAM}
    for budget, fault in owners.items():
        assert recorded[budget] == {each.value for each in Reason if each.fault is fault}
    (requests,) = (
        rule["expr"] for rule in rules() if rule.get("record") == "job:headgate_slo_requests:rate5m"
    )
    counted = set(re.findall(r'reason=~"([^"]*)"', requests)[0].split("|"))
    assert counted == {"ok"} | recorded["gate"] | recorded["mlflow"]


def test_each_window_is_recorded_that_an_alert_looks_at() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {
        name
        for rule in rules()
        if "alert" in rule
        for name in re.findall(r"job:\w+:\w+", rule["expr"])
    }
    assert used <= recorded
    assert "job:headgate_slo_errors:ratio_rate30d" in recorded


def test_pages_come_within_hours_and_tickets_before_the_budget_is_used_up() -> None:
    """The share of the budget that is used up before an alert fires: factor times long window."""
    for rate in BURN_RATES:
        share = rate.factor * rate.long / PERIOD
        assert share <= (0.05 if rate.pages else 0.1) + 1e-9
        assert rate.long // rate.short == 12
    assert AVAILABILITY == 0.999
