"""Who takes the next request."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from headgate.cluster import Result, Unavailable, Why
from headgate.model import Endpoint
from tests.unit.cluster.scene import Scene, endpoint


@pytest.mark.parametrize("names", ["ab", "abc", "abcdefgh"])
def test_equal_endpoints_get_equal_shares(names: str) -> None:
    counts = Counter(Scene(names).selections(4000))
    expected = 4000 / len(names)
    assert all(0.85 * expected < counts[name] < 1.15 * expected for name in names)


def test_of_two_the_one_with_less_to_do_is_taken() -> None:
    scene = Scene("ab")
    scene.cluster.acquire(endpoint("a"))
    assert scene.selected() == "b"


def test_the_busiest_of_many_is_never_taken() -> None:
    scene = Scene("abcd")
    scene.cluster.acquire(endpoint("c"))
    assert scene.selected(1000) == "abd"


def test_load_evens_out() -> None:
    scene = Scene("abcd")
    for _ in range(400):
        choice = scene.cluster.select(scene.clock())
        assert isinstance(choice, Endpoint)
        scene.cluster.acquire(choice)
    loads = [scene.of(name).in_flight for name in "abcd"]
    assert max(loads) - min(loads) <= 4


@pytest.mark.parametrize("names", ["ab", "abcdef"])
def test_a_full_endpoint_is_passed_over(names: str) -> None:
    scene = Scene(names, max_in_flight=3)
    scene.fill(names[:-1])
    assert scene.available() == names[-1]
    assert scene.selected() == names[-1]


def test_when_all_are_full_it_says_so() -> None:
    scene = Scene("ab", max_in_flight=3)
    scene.fill("ab")
    assert scene.cluster.select(scene.clock()) == Unavailable(
        Why.FULL, 1, "all 2 endpoints are full (3 requests under way at each)"
    )


def test_when_the_only_one_in_service_is_full_the_unwell_are_left_alone() -> None:
    scene = Scene("ab", max_in_flight=1)
    scene.falls_ill("b")
    scene.fill("a")
    assert scene.cluster.select(scene.clock()) == Unavailable(
        Why.FULL, 1, "a:5000 is full (1 requests under way at each)"
    )


def test_an_unprobed_one_waits_until_no_healthy_one_is_available() -> None:
    scene = Scene("a", max_in_flight=1)
    scene.finds("ab")
    assert scene.selected() == "a"
    scene.fill("a")
    assert scene.selected() == "b"


def test_the_own_zone_is_preferred_while_it_has_room() -> None:
    scene = Scene(zone="x", max_in_flight=1)
    scene.finds("abcd", zones="xxyy")
    for name in "abcd":
        scene.probe(name)
    assert scene.selected() == "ab"
    scene.fill("ab")
    assert scene.selected() == "cd"


def test_a_healthy_one_of_another_zone_comes_before_an_unprobed_one_of_the_own() -> None:
    scene = Scene(zone="x")
    scene.finds("ab", zones="xy")
    scene.probe("b")
    assert scene.selected() == "b"


def test_an_endpoint_to_avoid_is_avoided() -> None:
    scene = Scene("abc")
    assert scene.selected(avoid="a") == "bc"
    assert scene.selected(avoid="ab") == "c"


def test_rather_than_one_to_avoid_an_unprobed_one_is_taken() -> None:
    scene = Scene("a")
    scene.finds("ab")
    assert scene.selected(avoid="a") == "b"


@pytest.mark.parametrize("names", ["a", "ab"])
def test_if_there_is_no_other_the_avoided_are_taken(names: str) -> None:
    assert Scene(names).selected(avoid=names) == names


def test_where_all_in_service_failed_this_request_those_out_of_service_are_tried() -> None:
    scene = Scene("ab")
    scene.requests_fail("b")
    assert scene.selected(avoid="a") == "b"
    assert scene.selected(avoid="ab") == "a"


def test_unless_it_must_not_fail_open() -> None:
    scene = Scene("ab", fail_open=False)
    scene.requests_fail("b")
    assert scene.selected(avoid="a") == "a"


def test_when_all_are_unhealthy_all_are_used() -> None:
    scene = Scene("abc")
    scene.falls_ill("abc")
    assert scene.available() == ""
    assert scene.cluster.snapshot(scene.clock()).failing_open
    assert scene.selected() == "abc"
    assert scene.selected(avoid="a") == "bc"
    scene.probe("b")
    assert scene.selected() == "b"
    assert not scene.cluster.snapshot(scene.clock()).failing_open


def test_even_then_a_full_one_is_not() -> None:
    scene = Scene("ab", max_in_flight=2)
    scene.falls_ill("ab")
    scene.fill("a")
    assert scene.selected() == "b"
    scene.fill("b")
    response = scene.cluster.select(scene.clock())
    assert isinstance(response, Unavailable)
    assert response.why is Why.FULL


def test_a_policy_that_does_not_fail_open_says_who_is_out_and_why() -> None:
    scene = Scene("ab", fail_open=False, probe_interval=5)
    scene.requests_fail("a")
    scene.clock.advance(4)
    scene.falls_ill("b")
    scene.clock.advance(1)
    assert scene.cluster.select(scene.clock()) == Unavailable(
        Why.UNHEALTHY,
        5,
        "a:5000 is ejected for 5 s more: 3 failures in a row, the last: refused; "
        "b:5000 is unhealthy for 1 s: 503",
    )
    assert not scene.cluster.snapshot(scene.clock()).failing_open


def test_when_all_that_is_left_is_ejected_it_says_when_the_first_returns() -> None:
    scene = Scene("abcd", fail_open=False)
    scene.requests_fail("a")
    scene.clock.advance(2.5)
    scene.requests_fail("b")
    scene.finds("ab")
    response = scene.cluster.select(scene.clock())
    assert isinstance(response, Unavailable)
    assert (response.why, response.retry_after) == (Why.EJECTED, 8)


def test_nobody_is_asked_to_wait_longer_than_a_client_would() -> None:
    scene = Scene("abc", fail_open=False, base_ejection=200)
    scene.requests_fail("a")
    scene.finds("a")
    response = scene.cluster.select(scene.clock())
    assert isinstance(response, Unavailable)
    assert response.retry_after == 30


@pytest.mark.parametrize(
    ("names", "more"), [("abcd", ""), ("abcde", "; and 1 more"), ("abcdefg", "; and 3 more")]
)
def test_a_long_list_is_cut_short(names: str, more: str) -> None:
    scene = Scene(names, fail_open=False)
    scene.falls_ill(names)
    response = scene.cluster.select(scene.clock())
    assert isinstance(response, Unavailable)
    assert response.text.count("unhealthy") == 4
    assert response.text.endswith(f"d:5000 is unhealthy for 0 s: 503{more}")


def test_after_two_failures_a_request_leaves_the_zone() -> None:
    """All of it may be down, and the attempts of a request are few."""
    scene = Scene(zone="x")
    scene.finds("abcyz", zones="xxxyy")
    for name in "abcyz":
        scene.probe(name)
    scene.clock.advance(scene.policy.slow_start)
    assert scene.selected() == "abc"
    assert scene.selected(avoid="a") == "bc"
    assert scene.selected(avoid="ab") == "yz"
    scene.falls_ill("yz")
    assert scene.selected(avoid="ab") == "c"


# --- priorities ------------------------------------------------------------------------------


def _with_spare(**policy: Any) -> Scene:
    scene = Scene(**policy)
    scene.finds("abz", priorities="009", zones="xyx")
    for name in "abz":
        scene.probe(name)
    scene.clock.advance(scene.policy.slow_start)
    return scene


def test_a_worse_priority_is_for_when_there_is_no_better() -> None:
    scene = _with_spare()
    assert scene.selected() == "ab"
    scene.falls_ill("a")
    assert scene.selected() == "b"
    scene.falls_ill("b")
    assert scene.selected() == "z"
    scene.probe("a")
    assert scene.selected() == "a"


def test_and_for_when_the_better_ones_are_full_or_have_failed_this_request() -> None:
    scene = _with_spare(max_in_flight=2)
    assert scene.selected(avoid="ab") == "z"
    scene.fill("ab")
    assert scene.selected() == "z"


def test_it_comes_before_the_zone() -> None:
    scene = _with_spare(zone="x")
    assert scene.selected() == "a"
    scene.falls_ill("a")
    assert scene.selected() == "b"


def test_a_better_one_that_is_new_waits_for_its_first_probe() -> None:
    """Services are registered before they listen."""
    scene = Scene()
    scene.finds("z", priorities="9")
    scene.probe("z")
    scene.finds("az", priorities="09")
    assert scene.selected() == "z"
    scene.probe("a")
    assert scene.selected() == "a"


# --- slow start ------------------------------------------------------------------------------


def _share_of_b(scene: Scene) -> float:
    return scene.selections(4000).count("b") / 4000


def test_a_new_endpoint_comes_to_its_share_by_and_by() -> None:
    scene = Scene("a", slow_start=10)
    scene.finds("ab")
    scene.probe("b")
    shares = []
    for _ in range(5):
        shares.append(_share_of_b(scene))
        scene.clock.advance(2.5)
    assert shares == sorted(shares)
    assert 0.02 < shares[0] < 0.08
    assert 0.2 < shares[2] < 0.3
    assert 0.45 < shares[4] < 0.55


def test_so_does_one_that_was_ill_or_ejected() -> None:
    scene = Scene("ab")
    scene.falls_ill("b")
    scene.probe("b")
    assert _share_of_b(scene) < 0.1
    scene.clock.advance(10)
    scene.requests_fail("b")
    scene.clock.advance(10)
    assert _share_of_b(scene) < 0.1


def test_of_two_new_endpoints_the_newer_gets_less() -> None:
    scene = Scene()
    scene.finds("a")
    scene.probe("a")
    scene.clock.advance(4)
    scene.finds("ab")
    scene.probe("b")
    scene.clock.advance(4)
    assert 0.2 < _share_of_b(scene) < 0.3  # 4 of 10 seconds against 8 of 10


def test_slow_start_needs_no_probes() -> None:
    scene = Scene(probe_interval=0)
    scene.finds("a")
    scene.clock.advance(10)
    scene.finds("ab")
    assert _share_of_b(scene) < 0.1


def test_a_busy_gate_is_no_reason_to_flood_a_new_endpoint() -> None:
    """It has nothing to do yet, so that it would win each comparison of loads."""
    scene = Scene("a")
    for _ in range(50):
        scene.cluster.acquire(endpoint("a"))
    scene.finds("ab")
    scene.probe("b")
    assert _share_of_b(scene) < 0.15


def test_a_full_endpoint_is_no_way_out_of_slow_start() -> None:
    scene = Scene("a", max_in_flight=3)
    scene.fill("a")
    scene.finds("ab")
    scene.probe("b")
    assert scene.selected() == "b"


def test_all_new_endpoints_share_alike() -> None:
    scene = Scene()
    scene.finds("ab")
    assert 0.45 < _share_of_b(scene) < 0.55


def test_without_slow_start_there_is_none() -> None:
    scene = Scene("a", slow_start=0)
    scene.finds("ab")
    scene.probe("b")
    assert 0.45 < _share_of_b(scene) < 0.55


# --- counting --------------------------------------------------------------------------------


def test_what_was_not_acquired_cannot_be_released() -> None:
    scene = Scene("a")
    with pytest.raises(ValueError, match="a:5000 was released more often than acquired"):
        scene.cluster.release(endpoint("a"), Result.OK, scene.clock())
    with pytest.raises(KeyError):
        scene.cluster.acquire(endpoint("z"))
