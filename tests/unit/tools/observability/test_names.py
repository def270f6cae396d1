"""Every metric, label and value that a rule or a dashboard names is declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.declared_names import problems
from tools.observability import grafana, prometheus_rules
from tools.observability.prometheus_tests import SCENARIOS


def rule_queries() -> Iterator[str]:
    for group in prometheus_rules.groups():
        for rule in group.rules:
            yield rule.expr


def panel_queries(item: Any) -> Iterator[str]:
    """Every ``expr`` in the dashboard, however deep."""
    if isinstance(item, dict):
        for key, value in item.items():
            if key == "expr":
                yield value
            else:
                yield from panel_queries(value)
    elif isinstance(item, list):
        for each in item:
            yield from panel_queries(each)


def variable_queries() -> Iterator[str]:
    for variable in json.loads(grafana.page())["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            assert match
            yield f"count by ({match[2]}) ({match[1]})"


@pytest.mark.parametrize("query", dict.fromkeys(rule_queries()))
def test_rules(query: str) -> None:
    assert problems(query) == []


@pytest.mark.parametrize("query", dict.fromkeys(panel_queries(json.loads(grafana.page()))))
def test_panels(query: str) -> None:
    assert problems(query) == []


@pytest.mark.parametrize("query", dict.fromkeys(variable_queries()))
def test_variables(query: str) -> None:
    assert problems(query) == []


SERIES = dict.fromkeys(name for each in SCENARIOS for name in each.series)


@pytest.mark.parametrize("series", SERIES)
def test_series_of_the_cases_for_promtool(series: str) -> None:
    assert problems(series) == []
