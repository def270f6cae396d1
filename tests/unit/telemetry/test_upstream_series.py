"""The series of upstreams in shared memory: by name, of each worker, gone once all have left."""

from __future__ import annotations

from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import (
    DISCOVERY_AGE,
    EJECTIONS,
    ENDPOINTS,
    ENDPOINTS_IN_SERVICE,
    UPSTREAM_IN_FLIGHT,
    Metric,
)


def values(counters: Counters, metric: Metric) -> dict[tuple[str, ...], int]:
    return {each.labels: each.cells[0] for each in counters.totals().series(metric)}


def test_sums_largest_and_smallest_over_the_workers_that_have_set_them() -> None:
    counters = Counters(3)
    for worker, number in ((0, 2), (1, 5)):
        row = counters.row(worker)
        row.set(UPSTREAM_IN_FLIGHT, number, "default")
        row.set(ENDPOINTS, number, "default", "healthy")
        row.set(ENDPOINTS_IN_SERVICE, number, "default")
    assert values(counters, UPSTREAM_IN_FLIGHT) == {("default",): 7}
    assert values(counters, ENDPOINTS) == {("default", "healthy"): 5}
    assert values(counters, ENDPOINTS_IN_SERVICE) == {("default",): 2}
    assert values(counters, DISCOVERY_AGE) == {}


def test_zero_is_a_value_and_what_is_taken_back_is_none() -> None:
    counters = Counters(2)
    counters.row(0).set(ENDPOINTS_IN_SERVICE, 3, "default")
    counters.row(1).set(ENDPOINTS_IN_SERVICE, 0, "default")
    assert values(counters, ENDPOINTS_IN_SERVICE) == {("default",): 0}
    counters.row(1).unset(ENDPOINTS_IN_SERVICE, "default")
    assert values(counters, ENDPOINTS_IN_SERVICE) == {("default",): 3}


def test_the_gauges_of_a_worker_that_has_ended_do_not_count() -> None:
    counters = Counters(2)
    for worker in range(2):
        counters.row(worker).set(ENDPOINTS_IN_SERVICE, worker, "default")
        counters.row(worker).add(EJECTIONS, "default")
    counters.clear_gauges(0)
    assert values(counters, ENDPOINTS_IN_SERVICE) == {("default",): 1}
    assert values(counters, EJECTIONS) == {("default",): 2}


def test_an_upstream_is_shown_until_it_has_left_every_worker_and_then_goes_on() -> None:
    counters = Counters(2)
    rows = [counters.row(worker) for worker in range(2)]
    for row in rows:
        row.use_upstream("second", in_force=True)
        row.add(EJECTIONS, "second")
    for row in rows:
        assert values(counters, EJECTIONS) == {("second",): 2}
        row.use_upstream("second", in_force=False)
    assert values(counters, EJECTIONS) == {}
    rows[1].use_upstream("second", in_force=True)
    assert values(counters, EJECTIONS) == {("second",): 2}


def test_upstreams_beyond_the_places_are_counted_together() -> None:
    counters = Counters(1)
    for at in range(20):
        counters.row(0).add(EJECTIONS, f"upstream-{at}")
    found = values(counters, EJECTIONS)
    assert found.pop(("other",)) == 4
    assert found == {(f"upstream-{at}",): 1 for at in range(16)}
