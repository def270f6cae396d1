"""Who is taken out for failed requests, for how long, and who is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.cluster import Result
from headgate.events import EndpointEjected, EndpointReturned
from tests.unit.cluster.scene import Scene, endpoint

EJECTING = [Result.CONNECT_FAILED, Result.RESET]


def test_failures_in_a_row_eject() -> None:
    scene = Scene("ab")
    scene.requests_fail("a", times=2)
    assert scene.told() == []
    scene.requests_fail("a", times=1)
    [event] = scene.events
    assert event == EndpointEjected(
        scene.clock(),
        "default",
        endpoint("a"),
        "3 failures in a row, the last: refused",
        seconds=10,
        ejections=1,
    )
    assert scene.selected() == "b"


@pytest.mark.parametrize("kind", EJECTING)
@pytest.mark.parametrize("between", [Result.OK, Result.ERROR_STATUS])
def test_a_response_between_failures_ends_the_row(kind: Result, between: Result) -> None:
    scene = Scene("ab")
    for result in (kind, kind, between, kind, kind):
        scene.request("a", result)
    assert scene.told() == []


@pytest.mark.parametrize("between", [Result.TIMEOUT, Result.CANCELLED])
def test_what_says_nothing_does_not_end_it(between: Result) -> None:
    scene = Scene("ab")
    for result in (Result.RESET, Result.CONNECT_FAILED, between, Result.RESET):
        scene.request("a", result)
    assert scene.told() == ["EndpointEjected a"]


@pytest.mark.parametrize("result", sorted(set(Result) - set(EJECTING)))
def test_other_results_are_counted_only(result: Result) -> None:
    scene = Scene("ab")
    for _ in range(20):
        scene.request("a", result)
    assert scene.told() == []
    assert scene.of("a").results[result] == 20


def test_the_policy_says_what_ejects() -> None:
    scene = Scene("ab", ejecting=frozenset({Result.ERROR_STATUS}), ejection_after=1)
    scene.request("a", Result.RESET)
    assert scene.told() == []
    scene.request("a", Result.ERROR_STATUS)
    assert scene.told() == ["EndpointEjected a"]


def test_it_returns_at_its_time_whenever_that_is_noticed() -> None:
    scene = Scene("ab")
    scene.requests_fail("a")
    out = scene.clock()
    scene.clock.advance(9.9)
    assert scene.selected() == "b"
    scene.told()
    scene.clock.advance(25)
    assert scene.selected() == "ab"
    [event] = scene.events
    assert event == EndpointReturned(out + 10, "default", endpoint("a"), "after 10 s")


def test_it_is_back_at_the_very_end_of_its_time() -> None:
    scene = Scene("ab")
    scene.requests_fail("a")
    scene.clock.advance(10)
    assert scene.selected() == "ab"
    assert scene.available() == "ab"


@pytest.mark.parametrize(
    "call",
    [
        lambda scene: scene.finds("b"),
        lambda scene: scene.discovery_fails(),
        lambda scene: scene.probe("b", ok=False),
        lambda scene: scene.cluster.due_probes(scene.clock()),
        lambda scene: scene.cluster.removable(scene.clock()),
        lambda scene: scene.cluster.select(scene.clock()),
        lambda scene: scene.requests_fail("b"),
        lambda scene: scene.cluster.snapshot(scene.clock()),
    ],
)
def test_whichever_call_comes_next_tells_it_first(call: Callable[[Scene], object]) -> None:
    scene = Scene("ab")
    scene.requests_fail("a")
    scene.told()
    scene.clock.advance(11)
    call(scene)
    assert scene.told()[0] == "EndpointReturned a"


def test_the_ends_of_ejections_are_emitted_in_the_order_of_their_times() -> None:
    scene = Scene("abcd")
    scene.requests_fail("b")
    scene.clock.advance(1)
    scene.requests_fail("a")
    scene.told()
    scene.clock.advance(100)
    scene.cluster.snapshot(scene.clock())
    assert scene.told() == ["EndpointReturned b", "EndpointReturned a"]


def test_a_good_probe_does_not_shorten_it() -> None:
    scene = Scene("ab")
    scene.requests_fail("a")
    scene.clock.advance(5)
    scene.probe("a")
    assert scene.selected() == "b"


def test_failures_of_requests_sent_before_do_not_lengthen_it() -> None:
    scene = Scene("ab")
    for _ in range(20):
        scene.cluster.acquire(endpoint("a"))
    for _ in range(20):
        scene.cluster.release(endpoint("a"), Result.RESET, scene.clock())
    assert scene.told() == ["EndpointEjected a"]
    assert scene.of("a").ejected_seconds_left == 10
    scene.clock.advance(10)
    scene.requests_fail("a", times=2)
    assert scene.told() == ["EndpointReturned a"]


def test_each_lasts_twice_as_long_as_the_one_before_up_to_a_limit() -> None:
    scene = Scene("ab")
    lengths = []
    for _ in range(40):
        scene.requests_fail("a")
        seen = scene.of("a")
        assert seen.ejected_seconds_left is not None
        lengths.append(seen.ejected_seconds_left)
        scene.clock.advance(seen.ejected_seconds_left)
    assert lengths[:7] == [10, 20, 40, 80, 160, 300, 300]
    assert set(lengths[7:]) == {300}
    assert scene.of("a").ejections == 40


def test_after_a_long_time_in_service_the_first_length_applies_again() -> None:
    scene = Scene("ab", memory=300)
    for wait, length in ((10, 10), (20 + 299, 20), (40 + 300, 40), (0, 10)):
        scene.requests_fail("a")
        assert scene.of("a").ejected_seconds_left == length
        scene.clock.advance(wait)


def test_time_away_is_no_time_in_service() -> None:
    scene = Scene("ab", memory=300)
    scene.requests_fail("a")
    scene.clock.advance(10 + 100)
    scene.finds("b")
    scene.clock.advance(250)
    scene.finds("ab")
    scene.requests_fail("a")
    assert scene.of("a").ejected_seconds_left == 20


def test_but_the_time_before_it_counts() -> None:
    scene = Scene("ab", memory=300)
    scene.requests_fail("a")
    scene.clock.advance(10 + 200)
    scene.finds("b")
    scene.clock.advance(250)
    scene.finds("ab")
    scene.clock.advance(100)
    scene.requests_fail("a")
    assert scene.of("a").ejected_seconds_left == 10


def test_the_only_endpoint_is_never_ejected() -> None:
    scene = Scene("a")
    scene.requests_fail("a", times=50)
    assert scene.told() == []
    assert scene.selected() == "a"


def test_nor_is_the_last_one_in_service() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.told()
    scene.requests_fail("a", times=50)
    assert scene.told() == []


def test_but_it_is_as_soon_as_another_one_is_in_service() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.requests_fail("a", times=50)
    scene.probe("b")
    scene.told()
    scene.requests_fail("a", times=1)
    assert scene.told() == ["EndpointEjected a"]


@pytest.mark.parametrize(
    ("names", "share", "most"),
    [
        ("abc", 0.0, 0),
        ("ab", 0.5, 1),
        ("abc", 0.5, 1),
        ("abcd", 0.5, 2),
        ("abcd", 0.1, 1),
        ("abcd", 1.0, 3),
    ],
)
def test_no_more_than_the_share_are_ejected_together(names: str, share: float, most: int) -> None:
    scene = Scene(names, max_ejected_share=share)
    for name in names:
        scene.requests_fail(name)
    assert len(scene.told()) == most


def test_one_that_has_left_is_not_ejected() -> None:
    scene = Scene("abc")
    for _ in range(5):
        scene.cluster.acquire(endpoint("c"))
    scene.finds("ab")
    scene.told()
    for _ in range(5):
        scene.cluster.release(endpoint("c"), Result.RESET, scene.clock())
    assert scene.told() == []


def test_an_unhealthy_one_is_not_ejected_too() -> None:
    scene = Scene("abc")
    scene.falls_ill("a")
    scene.told()
    scene.requests_fail("a")
    assert scene.told() == []


def test_the_last_error_is_shown() -> None:
    scene = Scene("a")
    assert scene.of("a").last_error is None
    scene.request("a", Result.RESET, "reset by peer")
    scene.request("a", Result.CANCELLED, "the client left")
    assert scene.of("a").last_error == "reset by peer"
    scene.request("a", Result.TIMEOUT)
    assert scene.of("a").last_error == "timeout"


# --- lost altogether -------------------------------------------------------------------------


def _is_lost(scene: Scene) -> bool:
    return scene.cluster.is_lost(scene.clock())


def test_a_cluster_is_lost_when_the_last_word_on_each_is_a_failure() -> None:
    scene = Scene("ab")
    assert not _is_lost(scene)
    scene.requests_fail("a", 1)
    assert not _is_lost(scene)
    scene.requests_fail("b", 1)
    assert _is_lost(scene)
    scene.request("b", Result.OK)
    assert not _is_lost(scene)


def test_probes_and_ejections_are_such_a_word_too() -> None:
    scene = Scene("abc")
    scene.falls_ill("a")
    scene.requests_fail("b")
    assert scene.states()["b"] == "ejected"
    assert not _is_lost(scene)
    scene.requests_fail("c", 1)
    assert _is_lost(scene)


def test_who_has_left_has_no_say_and_who_is_new_may_be_well() -> None:
    scene = Scene("ab")
    scene.requests_fail("b", 1)
    scene.finds("b")
    assert _is_lost(scene)
    scene.finds("bc")
    assert not _is_lost(scene)


def test_nobody_at_all_is_lost_too() -> None:
    assert _is_lost(Scene())
