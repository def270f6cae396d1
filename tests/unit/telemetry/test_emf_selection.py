"""The selection holds to the declaration, to the budget, and to the objectives."""

from __future__ import annotations

import itertools
import re

import pytest

from headgate.model import FAMILIES
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.emf_documents import Unit, documents
from headgate.telemetry.emf_selection import (
    BUDGET,
    HEARTBEAT,
    SELECTION,
    SERVICE,
    TRAFFIC,
    UPSTREAM,
    Chosen,
    metric_count,
    selected,
)
from headgate.telemetry.line_sink import PIPE_BATCH
from headgate.telemetry.metrics import METRICS, Kind
from tests.support.emf import checked, extracted, identities
from tests.support.outcomes import an_outcome
from tools.observability import objectives

UNITS = {"s": Unit.SECONDS, "1": Unit.NONE}


def by_name(name: str) -> Chosen:
    return next(each for each in SELECTION if each.name == name)


def test_a_service_with_two_upstreams_has_at_most_forty_metrics() -> None:
    assert metric_count(2) <= BUDGET == 40


def test_what_is_written_for_two_upstreams_are_those_metrics_and_no_more() -> None:
    """Where everything that can happen has happened, at a third upstream too, before a reload."""
    counters = Counters(2)
    row = counters.row(1)
    for name in ("team-b", "default", "gone"):
        row.use_upstream(name, in_force=True)
        fill(row, name)
    row.use_upstream("gone", in_force=False)
    data = list(selected(counters.totals(), "gate-1", gauges=True))
    lines = list(documents("Headgate", data, 1.8e9))
    found = identities(extracted(checked(line[:-1]) for line in lines))
    assert len(found) == metric_count(2)
    assert {dict(dimensions).get(UPSTREAM) for *_, dimensions in found} == {
        None,
        "team-b",
        "default",
    }
    assert max(map(len, lines)) <= PIPE_BATCH


def fill(row: CounterRow, upstream: str) -> None:
    """Count everything that CloudWatch may get."""
    for chosen in SELECTION:
        metric = chosen.metric
        if metric.most:
            continue  # those of requests: below
        values = [(upstream,) if each.named else each.values for each in metric.labels]
        for labels in itertools.product(*values):
            if metric.kind is Kind.COUNTER:
                row.add(metric, *labels)
            elif metric.kind is Kind.GAUGE:
                row.set(metric, 2, *labels)
            else:
                for _ in range(3):
                    row.observe(metric, metric.bounds[0], *labels)
    for family in FAMILIES:
        row.count(an_outcome(family=family, duration=0.1, first_byte_after=0.1, upstream=upstream))


def test_names_come_once() -> None:
    names = [HEARTBEAT, *(each.name for each in SELECTION)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", each) for each in names)
    assert not {SERVICE, UPSTREAM, TRAFFIC} & set(names)  # both are members of the root


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
