"""Counters shared by processes: rows add up, series are fixed, a death costs nothing."""

from __future__ import annotations

import bisect
import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import FAMILIES, Outcome
from headgate.reasons import Reason
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    CONNECTIONS,
    IN_FLIGHT,
    METRICS,
    QUEUE_WAIT,
    REQUEST_DURATION,
    REQUESTS,
    WORKER_RESTARTS,
    WORKERS_DRAINING,
    Kind,
    Metric,
    Shown,
)
from tests.support.counts import counted
from tests.support.outcomes import OUTCOME, an_outcome

BOUNDS = REQUEST_DURATION.bounds

outcomes = st.builds(
    an_outcome,
    reason=st.sampled_from(Reason),
    status=st.just(0) | st.integers(200, 599),
    family=st.sampled_from(("", *FAMILIES)),
    duration=st.floats(0, 1e5) | st.sampled_from(BOUNDS),
    bytes_in=st.integers(0, 2**45),
    bytes_out=st.integers(0, 2**45),
)


@given(ended=st.lists(st.tuples(st.integers(0, 2), outcomes), max_size=30))
def test_the_sums_are_those_of_all_requests_whichever_worker_served_them(
    ended: list[tuple[int, Outcome]],
) -> None:
    counters = Counters(3)
    rows = [counters.row(worker) for worker in range(3)]
    for worker, outcome in ended:
        rows[worker].count(outcome)
    found = counted(counters)
    assert set(found) == {outcome.family for _, outcome in ended}
    for family, counts in found.items():
        own = [outcome for _, outcome in ended if outcome.family == family]
        assert counts.requests == Counter(map(series_of, own))
        buckets = [0] * (len(BOUNDS) + 1)
        for o in own:
            buckets[bisect.bisect_left(BOUNDS, o.duration)] += 1
        assert list(counts.buckets) == buckets
        assert counts.seconds == pytest.approx(sum(o.duration for o in own), abs=1e-5)
        assert counts.bytes_in == sum(o.bytes_in for o in own)
        assert counts.bytes_out == sum(o.bytes_out for o in own)


@pytest.mark.parametrize("family", ["", *FAMILIES])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_combination_of_labels_has_a_place_of_its_own(family: str, reason: Reason) -> None:
    for status in (0, 200, 308, 404, 503, 599):
        counters = Counters(1)
        counters.row(0).count(an_outcome(family=family, reason=reason, status=status))
        (counts,) = counted(counters).values()
        assert counts.family == family
        wanted = series_of(an_outcome(family=family, reason=reason, status=status))
        assert counts.requests == {wanted: 1}


def test_a_label_outside_the_closed_sets_is_a_defect_not_a_series() -> None:
    counters = Counters(1)
    with pytest.raises(ValueError, match="not in tuple"):
        counters.row(0).count(an_outcome(family="made-up"))
    assert counted(counters) == {}


def test_a_bound_belongs_to_its_own_bucket() -> None:
    """Prometheus' ``le`` means less or equal."""
    counters = Counters(1)
    for bound in BOUNDS:
        counters.row(0).count(an_outcome(duration=bound))
    assert counted(counters)["meta"].buckets == (*[1] * len(BOUNDS), 0)


def test_gauges_are_set_and_add_up() -> None:
    counters = Counters(2)
    first, second = counters.row(0), counters.row(1)
    set_gauges(first, 3, 1, 0)
    set_gauges(second, 5, 2, 1)
    set_gauges(second, 4, 0, 1)
    gauges = (CONNECTIONS, IN_FLIGHT, WORKERS_DRAINING)
    assert [counters.totals().value(gauge) for gauge in gauges] == [7, 1, 1]
    assert counted(counters) == {}


def test_a_histogram_without_labels() -> None:
    counters = Counters(2)
    for row, seconds in enumerate((0.001, 31.0)):
        counters.row(row).observe(QUEUE_WAIT, seconds)
    (series,) = counters.totals().series(QUEUE_WAIT)
    assert series.cells == (1, *[0] * (len(QUEUE_WAIT.bounds) - 1), 1, 31_001_000)


def series_of(outcome: Outcome) -> tuple[str, int]:
    """The reason and the class of status by which a request is counted."""
    if outcome.family or outcome.reason is Reason.OK:
        return outcome.reason, outcome.status // 100
    return outcome.reason, outcome.reason.status // 100


def set_gauges(row: CounterRow, connections: int, in_flight: int, draining: int) -> None:
    """Say how things stand in a process."""
    row.set(CONNECTIONS, connections)
    row.set(IN_FLIGHT, in_flight)
    row.set(WORKERS_DRAINING, draining)


def in_a_process(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process; its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def test_what_a_killed_worker_counted_stays_and_its_successor_goes_on() -> None:
    counters = Counters(2)

    def count_and_die(row: CounterRow) -> None:
        for _ in range(100):
            row.count(OUTCOME)
        set_gauges(row, 9, 9, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    for worker in (0, 1, 1):
        status = in_a_process(partial(count_and_die, counters.row(worker)))
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert counted(counters)["meta"].requests == {(Reason.OK, 2): 300}
    set_gauges(counters.row(1), 0, 0, 0)
    assert counters.totals().value(CONNECTIONS) == 9


def test_workers_that_count_at_the_same_time_lose_nothing() -> None:
    counters = Counters(2)
    ready, go = os.pipe()
    pids = []
    for worker in range(2):
        pid = os.fork()
        if pid == 0:
            os.read(ready, 1)
            row = counters.row(worker)
            for _ in range(20_000):
                row.count(OUTCOME)
            os._exit(0)
        pids.append(pid)
    os.write(go, b"12")
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    os.close(ready)
    os.close(go)
    assert counted(counters)["meta"].requests == {(Reason.OK, 2): 40_000}


def test_no_two_series_share_a_cell_and_none_is_left_over() -> None:
    taken = [LAYOUT.start(REQUESTS) + at for at in range(REQUESTS.most)]
    for metric in METRICS:
        for labels, start in LAYOUT.series(metric):
            assert start == LAYOUT.at(metric, labels)
            taken.extend(range(start, start + metric.cells))
    assert sorted(taken) == list(range(LAYOUT.size))


def test_what_is_not_declared_cannot_be_counted() -> None:
    undeclared = Metric("headgate_made_up_total", Kind.COUNTER, "1", "Nothing.")
    row = Counters(1).row(0)
    with pytest.raises(KeyError):
        row.add(undeclared)
    with pytest.raises(ValueError, match="not in tuple"):
        row.add(WORKER_RESTARTS, "made-up")


def test_the_page_stays_small_enough_to_scrape() -> None:
    """Requests by family, reason and status are shown once they are counted, never all of them."""
    shown = [each for each in METRICS if each.shown is not Shown.ONCE_COUNTED]
    assert sum(each.series(upstreams=2) for each in shown) < 720
