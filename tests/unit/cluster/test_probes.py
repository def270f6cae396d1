"""Who is well."""

from __future__ import annotations

import itertools

import pytest

from headgate.cluster import ProbeResult
from headgate.events import EndpointHealthy, EndpointUnhealthy
from tests.unit.cluster.scene import Scene, endpoint


@pytest.mark.parametrize(("ok", "state"), [(True, "healthy"), (False, "unhealthy")])
def test_the_first_probe_decides_alone(ok: bool, state: str) -> None:
    scene = Scene(healthy_after=3, unhealthy_after=3)
    scene.finds("a")
    scene.probe("a", ok=ok)
    assert scene.states() == {"a": state}


def test_one_failure_among_successes_is_let_pass() -> None:
    scene = Scene("a", unhealthy_after=2)
    for ok in (False, True, False, True):
        scene.probe("a", ok=ok)
    assert scene.told() == []


def test_failures_in_a_row_make_it_unhealthy_once() -> None:
    scene = Scene("a", unhealthy_after=2)
    for _ in range(4):
        scene.probe("a", ok=False, reason="connection refused")
    [event] = scene.events
    assert isinstance(event, EndpointUnhealthy)
    assert event.reason == "connection refused"
    assert scene.available() == ""


def test_successes_in_a_row_make_it_healthy_once() -> None:
    scene = Scene("a", healthy_after=2)
    scene.falls_ill("a")
    scene.told()
    for ok in (True, False, True):
        scene.probe("a", ok=ok)
    assert scene.events == []
    for _ in range(3):
        scene.probe("a")
    [event] = scene.events
    assert isinstance(event, EndpointHealthy)
    assert scene.available() == "a"


def test_a_new_endpoint_is_probed_immediately_and_then_every_interval_or_so() -> None:
    scene = Scene(probe_interval=5)
    scene.finds("a")
    assert scene.cluster.due_probes(scene.clock()) == [endpoint("a")]
    assert scene.cluster.due_probes(scene.clock()) == []
    times = []
    for _ in range(1000):
        scene.clock.advance(0.1)
        if scene.cluster.due_probes(scene.clock()):
            times.append(scene.clock())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert 4.5 <= min(gaps) < max(gaps) < 5.7


def test_a_probe_is_over_before_the_next_one_begins() -> None:
    scene = Scene("a", probe_interval=1, probe_timeout=3)
    scene.cluster.due_probes(scene.clock())
    scene.clock.advance(2.9)
    assert scene.cluster.due_probes(scene.clock()) == []
    scene.clock.advance(0.1)
    assert scene.cluster.due_probes(scene.clock()) == [endpoint("a")]


def test_without_an_interval_nothing_is_probed() -> None:
    scene = Scene(probe_interval=0)
    scene.finds("ab")
    assert scene.cluster.due_probes(scene.clock()) == []
    assert scene.selected() == "ab"


def test_ill_and_ejected_endpoints_are_probed_but_not_those_that_left() -> None:
    scene = Scene("abc")
    scene.falls_ill("a")
    scene.requests_fail("b")
    scene.finds("ab")
    assert scene.cluster.due_probes(scene.clock()) == [endpoint("a"), endpoint("b")]


def test_a_late_result_of_one_that_left_changes_nothing() -> None:
    scene = Scene("ab")
    scene.finds("a")
    scene.told()
    scene.falls_ill("b")
    scene.cluster.probed(endpoint("z"), ProbeResult(True, 0.1, "200"), scene.clock())
    assert scene.told() == []


def test_the_last_probe_and_the_version_are_shown() -> None:
    scene = Scene()
    scene.finds("a")
    assert scene.of("a").probe_latency is None
    assert scene.of("a").probe_seconds_ago is None
    scene.probe("a", version="3.17.2")
    scene.clock.advance(4)
    scene.probe("a", ok=False, reason="timed out")
    scene.clock.advance(1)
    seen = scene.of("a")
    assert (seen.probe_latency, seen.probe_seconds_ago) == (0.01, 1)
    assert seen.mlflow_version == "3.17.2"
    assert (seen.last_error, seen.last_error_seconds_ago) == ("probe: timed out", 1)
