"""The metrics page is what Prometheus reads, and says what was counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import FAMILIES, Outcome
from headgate.reasons import Reason
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import (
    CONNECTIONS,
    IN_FLIGHT,
    METRICS,
    REQUEST_DURATION,
    WORKERS_DRAINING,
)
from headgate.telemetry.prometheus import exposition
from tests.support.declared import check_metrics
from tests.support.outcomes import an_outcome
from tests.support.prometheus import Family, parse

endings = st.builds(
    an_outcome,
    family=st.sampled_from(("", *FAMILIES)),
    reason=st.sampled_from(Reason),
    status=st.just(0) | st.integers(200, 599),
    duration=st.floats(0, 1e6),
    bytes_in=st.integers(0, 2**50),
    bytes_out=st.integers(0, 2**50),
)


def page(*ended: Outcome) -> dict[str, Family]:
    counters = Counters(2)
    for at, each in enumerate(ended):
        counters.row(at % 2).count(each)
    return parse("".join(exposition(counters)))


def test_any_page_has_what_is_declared_and_no_more() -> None:
    counters = Counters(1)
    check_metrics("".join(exposition(counters)))
    for at, reason in enumerate(Reason):
        counters.row(0).count(an_outcome(reason=reason, status=100 * (at % 6)))
    check_metrics("".join(exposition(counters)))


def test_every_metric_is_there_before_anything_happened() -> None:
    found = page()
    declared = {each.name: (each.kind, each.text) for each in METRICS}
    assert {family.name: (family.kind, family.text) for family in found.values()} == declared
    for name in (
        "headgate_connections",
        "headgate_requests_in_flight",
        "headgate_workers_draining",
    ):
        assert found[name].value() == 0


@given(ended=st.lists(endings, max_size=10))
def test_any_counts_make_a_page_in_the_format_that_adds_up(ended: list[Outcome]) -> None:
    found = page(*ended)
    requests = found["headgate_requests_total"]
    durations = found["headgate_request_duration_seconds"]
    assert requests.total() == len(ended)
    for name in {each.family for each in ended}:
        own = [each for each in ended if each.family == name]
        family = name or "none"
        labels = frozenset({("family", family)})
        assert requests.total(family=family) == len(own)
        assert durations.samples["headgate_request_duration_seconds_count", labels] == len(own)
        for bound in REQUEST_DURATION.bounds:
            bucket = labels | {("le", str(bound))}
            assert durations.samples["headgate_request_duration_seconds_bucket", bucket] == sum(
                each.duration <= bound for each in own
            )
        assert found["headgate_request_bytes_total"].value(family=family) == sum(
            each.bytes_in for each in own
        )


@pytest.mark.parametrize(
    ("status", "shown"), [(0, "none"), (200, "2xx"), (404, "4xx"), (999, "5xx")]
)
def test_a_class_of_status_is_a_label(status: int, shown: str) -> None:
    requests = page(an_outcome(status=status))["headgate_requests_total"]
    assert requests.value(family="meta", method="read", reason="ok", status=shown) == 1


def test_gauges_are_sums_over_the_workers() -> None:
    counters = Counters(2)
    for worker in range(2):
        row = counters.row(worker)
        row.set(CONNECTIONS, 3)
        row.set(IN_FLIGHT, 2)
        row.set(WORKERS_DRAINING, worker)
    found = parse("".join(exposition(counters)))
    assert found["headgate_connections"].value() == 6
    assert found["headgate_requests_in_flight"].value() == 4
    assert found["headgate_workers_draining"].value() == 1


def test_no_label_needs_an_escape() -> None:
    """All labels come from closed sets of plain words, so none is escaped."""
    labels = [label for each in METRICS for label in each.labels if not label.text]
    values = [value for label in labels for value in label.values]
    assert all(re.fullmatch(r"[a-z0-9_.-]+", value) for value in values)
