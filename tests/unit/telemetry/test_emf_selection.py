"""The selection holds to the declaration, to the budget, and to the objectives."""

from __future__ import annotations

import re

import pytest

from headgate.telemetry.emf_documents import Unit
from headgate.telemetry.emf_selection import (
    BUDGET,
    HEARTBEAT,
    SELECTION,
    TRAFFIC,
    UPSTREAM,
    Chosen,
    metric_count,
)
from headgate.telemetry.metrics import METRICS, Kind
from tools.observability import objectives

UNITS = {"s": Unit.SECONDS, "1": Unit.NONE}


def by_name(name: str) -> Chosen:
    return next(each for each in SELECTION if each.name == name)


def test_a_service_with_two_upstreams_has_at_most_forty_metrics() -> None:
    assert metric_count(2) <= BUDGET == 40


def test_names_come_once() -> None:
    names = [HEARTBEAT, *(each.name for each in SELECTION)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", each) for each in names)


@pytest.mark.parametrize("chosen", SELECTION, ids=lambda each: each.name)
def test_what_is_chosen_is_declared(chosen: Chosen) -> None:
    metric = chosen.metric
    labels = {label.name: label.values for label in metric.labels}
    assert metric in METRICS
    assert chosen.unit is UNITS.get(metric.unit, Unit.COUNT)
    assert chosen.text.endswith(".")
    for where in chosen.any_of:
        assert all(allowed <= set(labels[name]) for name, allowed in where.values.items())
    assert set(chosen.kinds) <= set(labels.get(chosen.label, ()))


@pytest.mark.parametrize("chosen", SELECTION, ids=lambda each: each.name)
def test_dimensions_are_few_and_fixed(chosen: Chosen) -> None:
    assert chosen.dimension in ("", UPSTREAM, TRAFFIC)
    assert bool(chosen.dimension) == bool(chosen.label)
    if chosen.dimension == UPSTREAM:
        assert chosen.label == "upstream"
    if chosen.dimension == TRAFFIC:
        assert 1 <= len(set(chosen.kinds.values())) <= 3


def test_faults_are_those_of_the_objectives() -> None:
    """So that an alarm of CloudWatch and one of Prometheus mean the same."""
    found = {
        name: [where.values["reason"] for where in by_name(name).any_of]
        for name in ("GateFaults", "MlflowFaults", "ClientFaults")
    }
    assert found["GateFaults"] == [frozenset(objectives.GATE_FAULTS)]
    assert found["MlflowFaults"] == [frozenset(objectives.MLFLOW_FAULTS), frozenset({"ok"})]
    assert found["ClientFaults"] == [frozenset(objectives.CLIENT_FAULTS)]
    families = {family for where in by_name("Requests").any_of for family in where.values["family"]}
    assert not families & set(objectives.GATE_FAMILIES)


def test_no_metric_is_left_without_a_number_of_its_kind() -> None:
    for each in SELECTION:
        assert each.is_distribution == (each.metric.kind is Kind.HISTOGRAM)
