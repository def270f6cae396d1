"""Durations by the attributes of the conventions, in memory that workers share."""

from __future__ import annotations

from headgate.model import AttemptFailure, FailedAttempt, Source
from headgate.reasons import Reason
from headgate.telemetry.otlp.http_durations import BOUNDS, MOST_SERIES, HttpDurations
from tests.support.outcomes import an_outcome


def test_requests_are_counted_by_method_status_family_and_error() -> None:
    durations = HttpDurations(2)
    first, second = durations.row(0), durations.row(1)
    first.count(an_outcome(duration=0.004))
    second.count(an_outcome(duration=0.02))
    second.count(an_outcome(method=b"PROPFIND", status=0, reason=Reason.CLIENT_GONE, family=""))
    found = {each.key: each for each in durations.of_server()}
    assert set(found) == {("GET", "200", "meta", ""), ("_OTHER", "0", "none", "client_gone")}
    both = found["GET", "200", "meta", ""]
    assert both.buckets[:3] == (1, 0, 1)
    assert len(both.buckets) == len(BOUNDS) + 1
    assert abs(both.total - 0.024) < 1e-5


def test_each_attempt_is_counted() -> None:
    durations = HttpDurations(1)
    failed = FailedAttempt("10.0.0.7:5000", AttemptFailure.RESET, "reset", 0.1, 0.4)
    durations.row(0).count(
        an_outcome(
            endpoint="[fd00::1]:5000",
            attempts=2,
            retries=(failed,),
            status=503,
            upstream_duration=0.3,
        )
    )
    found = {each.key: each.total for each in durations.of_client()}
    assert set(found) == {
        ("GET", "0", "default", "10.0.0.7", "5000", "reset"),
        ("GET", "503", "default", "fd00::1", "5000", "503"),
    }


def test_no_attempt_is_counted_for_what_the_gate_responds_itself() -> None:
    durations = HttpDurations(1)
    row = durations.row(0)
    row.count(an_outcome(upstream="", endpoint="control:0", source=Source.GATE))
    row.count(an_outcome(endpoint="", attempts=0, source=Source.GATE, reason=Reason.NO_ENDPOINT))
    assert durations.of_client() == []


def test_a_worker_that_replaces_another_goes_on() -> None:
    durations = HttpDurations(1)
    durations.row(0).count(an_outcome(status=200))
    durations.row(0).count(an_outcome(status=404))
    durations.row(0).count(an_outcome(status=200))
    found = {each.key: sum(each.buckets) for each in durations.of_server()}
    assert found == {("GET", "200", "meta", ""): 2, ("GET", "404", "meta", ""): 1}


def test_what_finds_no_room_is_counted_together() -> None:
    durations = HttpDurations(1)
    row = durations.row(0)
    for port in range(MOST_SERIES + 10):
        for _ in range(2):
            row.count(an_outcome(endpoint=f"10.0.0.7:{5000 + port}"))
    row.count(an_outcome(endpoint=f"{'a' * 200}:1"))
    found = {each.key: sum(each.buckets) for each in durations.of_client()}
    assert len(found) == MOST_SERIES + 1
    assert found[None] == 21
