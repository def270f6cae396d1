"""Addresses put together from answers that show a part of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cluster import AnswerMerger

TTL = 10.0


def _addresses(count: int) -> list[str]:
    return [f"10.0.0.{number}" for number in range(count)]


def test_an_answer_of_fewer_than_eight_is_the_whole_set() -> None:
    merger = AnswerMerger()
    assert merger.merge(["b", "a"], TTL, 0) == ("a", "b")
    assert merger.merge(["b", "c"], TTL, 10) == ("b", "c")


def test_an_answer_of_eight_adds_to_what_is_known() -> None:
    merger = AnswerMerger()
    all_of_them = _addresses(12)
    merger.merge(all_of_them[:8], TTL, 0)
    assert set(merger.merge(all_of_them[4:], TTL, 10)) == set(all_of_them)


def test_a_small_answer_ends_the_time_of_samples() -> None:
    merger = AnswerMerger()
    merger.merge(_addresses(8), TTL, 0)
    assert merger.merge(["a"], TTL, 10) == ("a",)


def test_an_address_is_given_up_after_so_many_answers_without_it() -> None:
    merger = AnswerMerger(misses=3, lifetimes=1000)
    others = _addresses(8)
    merger.merge([*others[1:], "gone"], TTL, 0)
    for round_ in range(1, 3):
        assert "gone" in merger.merge(others, TTL, round_ * TTL)
    assert "gone" not in merger.merge(others, TTL, 3 * TTL)


def test_being_named_again_starts_the_count_anew() -> None:
    merger = AnswerMerger(misses=2, lifetimes=1000)
    others = _addresses(8)
    for round_ in range(10):
        answer = [*others[1:], "rare"] if round_ % 2 == 0 else others
        assert "rare" in merger.merge(answer, TTL, round_ * TTL)


def test_an_address_is_given_up_after_so_long_without_being_named() -> None:
    merger = AnswerMerger(misses=1000, lifetimes=4)
    others = _addresses(8)
    merger.merge([*others[1:], "gone"], TTL, 1000)
    assert "gone" in merger.merge(others, TTL, 1039)
    assert "gone" not in merger.merge(others, TTL, 1040)


@pytest.mark.parametrize("left", [0, 1])
def test_a_caching_resolver_that_counts_the_ttl_down_shortens_no_address(left: float) -> None:
    """It says how long its copy lasts, and at the end of that says 0."""
    merger = AnswerMerger()
    all_of_them = _addresses(12)
    merger.merge(all_of_them[:8], TTL, 0)
    assert set(merger.merge(all_of_them[4:], left, 19)) == set(all_of_them)


def test_an_empty_answer_is_no_answer() -> None:
    with pytest.raises(ValueError, match="failure"):
        AnswerMerger().merge([], TTL, 0)


@given(st.integers(9, 20), st.randoms(use_true_random=False))
def test_samples_come_to_show_every_address_and_none_besides(
    count: int, rng: random.Random
) -> None:
    merger = AnswerMerger(misses=1000, lifetimes=1000)
    all_of_them = _addresses(count)
    seen: set[str] = set()
    for round_ in range(20):
        answer = rng.sample(all_of_them, 8)
        seen |= set(answer)
        merged = merger.merge(answer, TTL, round_ * TTL)
        assert set(merged) == seen
        assert len(merged) == len(seen)


def test_what_is_known_can_be_forgotten() -> None:
    merger = AnswerMerger()
    merger.merge(["a"], TTL, 0)
    assert list(merger.known) == ["a"]
    merger.forget()
    assert list(merger.known) == []
