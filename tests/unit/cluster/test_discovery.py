"""Who is there: joining, leaving, coming back, and answers that are none."""

from __future__ import annotations

import dataclasses

from headgate.cluster import Found, Result, Unavailable, Why
from headgate.events import DiscoveryFailed, DiscoveryRecovered, EndpointForgotten, EndpointLeft
from headgate.model import Endpoint
from tests.unit.cluster.scene import DNS, Scene, endpoint


def test_a_new_endpoint_is_unprobed_and_may_be_used() -> None:
    scene = Scene()
    scene.finds("ab")
    assert scene.told() == ["EndpointAdded a", "EndpointAdded b"]
    assert scene.states() == {"a": "unprobed", "b": "unprobed"}
    assert scene.selected() == "ab"


def test_the_same_answer_again_changes_nothing() -> None:
    scene = Scene("ab")
    scene.finds("ba")
    assert scene.told() == []


def test_an_endpoint_named_twice_is_one() -> None:
    scene = Scene()
    scene.cluster.discovered(
        [Found(endpoint("a"), "east"), Found(endpoint("a"), "west")], DNS, None, 0
    )
    assert scene.told() == ["EndpointAdded a"]
    assert scene.of("a").zone == "east"


def test_one_that_left_gets_no_new_request_but_finishes_what_it_has() -> None:
    scene = Scene("ab")
    scene.cluster.acquire(endpoint("b"))
    scene.finds("a")
    assert scene.told() == ["EndpointLeft b"]
    assert scene.states() == {"a": "healthy", "b": "draining"}
    assert scene.selected() == "a"
    assert scene.cluster.removable(scene.clock()) == []
    scene.cluster.release(endpoint("b"), Result.OK, scene.clock())
    assert scene.cluster.removable(scene.clock()) == [endpoint("b")]
    assert scene.cluster.removable(scene.clock()) == [endpoint("b")]


def test_one_that_left_is_forgotten_after_a_while() -> None:
    scene = Scene("ab", memory=300)
    scene.finds("a")
    scene.told()
    scene.clock.advance(299)
    assert scene.cluster.removable(scene.clock()) == [endpoint("b")]
    scene.clock.advance(1)
    assert scene.cluster.removable(scene.clock()) == [endpoint("b")]
    [event] = scene.events
    assert event == EndpointForgotten(scene.clock(), "default", endpoint("b"), "gone for 300 s")
    assert scene.cluster.removable(scene.clock()) == []
    assert scene.states() == {"a": "healthy"}


def test_one_that_left_at_time_zero_is_forgotten_too() -> None:
    scene = Scene()
    scene.clock.now = 0
    scene.finds("ab")
    scene.finds("a")
    scene.clock.now = scene.policy.memory
    assert scene.cluster.removable(scene.clock()) == [endpoint("b")]
    assert scene.cluster.removable(scene.clock()) == []


def test_one_that_left_is_not_forgotten_while_a_request_is_under_way() -> None:
    scene = Scene("ab")
    scene.cluster.acquire(endpoint("b"))
    scene.finds("a")
    scene.clock.advance(10_000)
    assert scene.cluster.removable(scene.clock()) == []
    assert scene.states()["b"] == "draining"


def test_nor_before_its_ejection_is_over() -> None:
    scene = Scene("ab", base_ejection=50, memory=20)
    scene.requests_fail("b")
    scene.finds("a")
    scene.clock.advance(49)
    scene.cluster.removable(scene.clock())
    assert "b" in scene.states()
    scene.clock.advance(1)
    scene.cluster.removable(scene.clock())
    assert "b" not in scene.states()


def test_a_forgotten_one_that_comes_back_is_new() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.finds("a")
    scene.clock.advance(scene.policy.memory)
    scene.cluster.removable(scene.clock())
    scene.told()
    scene.finds("ab")
    assert scene.told() == ["EndpointAdded b"]
    assert scene.states()["b"] == "unprobed"


def test_leaving_and_coming_back_makes_no_endpoint_healthy() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.finds("a")
    scene.told()
    scene.finds("ab")
    assert scene.told() == ["EndpointRejoined b"]
    assert scene.states()["b"] == "unhealthy"


def test_leaving_and_coming_back_clears_no_ejection() -> None:
    scene = Scene("ab")
    scene.requests_fail("b")
    before = scene.of("b")
    scene.finds("a")
    scene.finds("ab")
    assert scene.of("b") == before


def test_nor_does_a_refresh_interrupt_a_row_of_failures() -> None:
    scene = Scene("ab")
    scene.requests_fail("b", times=1)
    scene.finds("ab")
    scene.requests_fail("b", times=1)
    scene.finds("a")
    scene.finds("ab")
    scene.told()
    scene.requests_fail("b", times=1)
    assert scene.told() == ["EndpointEjected b"]


def test_one_that_comes_back_is_probed_immediately() -> None:
    scene = Scene("ab")
    scene.cluster.due_probes(scene.clock())
    scene.finds("a")
    scene.clock.advance(1)
    scene.finds("ab")
    assert scene.cluster.due_probes(scene.clock()) == [endpoint("b")]


def test_an_ejection_that_ended_in_absence_ends_on_coming_back() -> None:
    scene = Scene("ab")
    scene.requests_fail("b")
    scene.finds("a")
    scene.told()
    scene.clock.advance(60)
    assert scene.states()["b"] == "draining"
    assert scene.told() == []
    scene.finds("ab")
    assert [event.time for event in scene.events] == [scene.clock(), scene.clock()]
    assert scene.told() == ["EndpointRejoined b", "EndpointReturned b"]
    assert scene.of("b").state_seconds == 0


def test_a_failed_lookup_keeps_what_was_known() -> None:
    scene = Scene("ab")
    scene.clock.advance(30)
    scene.discovery_fails("NXDOMAIN")
    scene.clock.advance(5)
    scene.discovery_fails("SERVFAIL")
    assert scene.selected() == "ab"
    assert scene.told() == ["DiscoveryFailed"]
    [source] = scene.cluster.snapshot(scene.clock()).sources
    assert source.age_seconds == scene.policy.slow_start + 35
    assert (source.failing_seconds, source.last_error, source.endpoints) == (5, "SERVFAIL", 2)


def test_recovery_after_failures_is_one_event() -> None:
    scene = Scene("a")
    scene.discovery_fails()
    scene.clock.advance(7)
    scene.told()
    scene.finds("a", ttl=60)
    scene.finds("a", ttl=30)
    [event] = scene.events
    assert isinstance(event, DiscoveryRecovered)
    assert event.reason == "responds again, after 7 s"
    [source] = scene.cluster.snapshot(scene.clock()).sources
    assert (source.failing_seconds, source.ttl) == (None, 30)
    assert (source.last_error, source.last_error_seconds_ago) == ("NXDOMAIN", 7)


def test_an_empty_answer_is_a_failure() -> None:
    scene = Scene("a")
    scene.finds("")
    assert [type(event) for event in scene.events] == [DiscoveryFailed]
    assert scene.selected() == "a"


def test_where_nothing_was_ever_found_the_failure_is_named() -> None:
    scene = Scene()
    assert scene.cluster.select(scene.clock()) == Unavailable(
        Why.NONE_KNOWN, 2, "no endpoint is known (not looked up yet)"
    )
    scene.discovery_fails()
    answer = scene.cluster.select(scene.clock())
    assert isinstance(answer, Unavailable)
    assert answer.text == f"no endpoint is known ({DNS}: NXDOMAIN)"


def test_an_endpoint_is_there_while_any_source_names_it() -> None:
    scene = Scene()
    scene.finds("ab", source="one")
    scene.finds("bc", source="two")
    scene.told()
    scene.finds("a", source="one")
    assert scene.told() == []
    scene.finds("c", source="two")
    [event] = scene.events
    assert isinstance(event, EndpointLeft)
    assert (event.endpoint, event.reason) == (endpoint("b"), "no longer named by two")


def test_a_new_zone_is_taken_up() -> None:
    scene = Scene("a")
    scene.finds("a", zones="x")
    assert scene.of("a").zone == "x"


def test_discovery_may_say_that_an_unprobed_endpoint_is_unwell() -> None:
    scene = Scene()
    scene.finds("a", healthy=False)
    assert scene.told() == ["EndpointAdded a", "EndpointUnhealthy a"]
    scene.finds("a", healthy=False)
    assert scene.told() == []
    scene.finds("a", healthy=True)
    assert scene.told() == ["EndpointHealthy a"]
    scene.finds("a", healthy=False)
    assert scene.told() == ["EndpointUnhealthy a"]


def test_that_a_new_endpoint_is_well_is_left_to_the_first_probe() -> None:
    scene = Scene()
    scene.finds("a", healthy=True)
    assert scene.states() == {"a": "unprobed"}


def test_after_the_first_probe_discovery_has_no_say_in_health() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.finds("a", healthy=False)
    scene.finds("ab", healthy=True)
    assert scene.states() == {"a": "healthy", "b": "unhealthy"}


def test_an_unknown_endpoint_is_not_available() -> None:
    assert not Scene("a").cluster.available(Endpoint("z", 1), 0)


def test_a_report_of_an_endpoint_is_comparable() -> None:
    """The tests above compare snapshots; a difference must show."""
    before = Scene("a").of("a")
    assert before != dataclasses.replace(before, in_flight=1)
