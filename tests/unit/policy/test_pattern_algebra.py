"""Patterns as sets of names, compared with what ``fits`` says of each name."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.policy.pattern import fits
from headgate.policy.pattern_algebra import is_within, overlap

patterns = st.text("ab*?", min_size=1, max_size=5)
names = st.text("abc", max_size=7)
EVERY_NAME = ["".join(each) for size in range(7) for each in itertools.product("abc", repeat=size)]


@given(patterns, st.lists(patterns, max_size=3))
def test_what_lies_within_is_what_no_name_disproves(pattern: str, others: list[str]) -> None:
    expected = all(
        any(fits(name, other) for other in others) for name in EVERY_NAME if fits(name, pattern)
    )
    if is_within(pattern, others):
        assert expected
    elif expected:  # only a longer name can disprove it
        assert len(pattern) + max(map(len, others), default=0) >= 6


@given(patterns, patterns)
def test_an_overlap_has_the_names_of_both_and_no_other(one: str, other: str) -> None:
    shared = overlap(one, other)
    for name in EVERY_NAME:
        both = fits(name, one) and fits(name, other)
        assert both == any(fits(name, each) for each in shared)


@given(patterns, patterns)
def test_an_overlap_is_the_same_from_both_sides(one: str, other: str) -> None:
    there, back = overlap(one, other), overlap(other, one)
    assert all(is_within(each, back) for each in there)
    assert all(is_within(each, there) for each in back)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("team-a/*", "team-a/*", ("team-a/*",)),
        ("*", "team-a/*", ("team-a/*",)),
        ("team-a/*", "team-b/*", ()),
        ("team-?/x", "team-a/*", ("team-a/x",)),
        ("team-*", "*-prod", ("team-*-prod", "team-prod")),
        ("*a*", "*b*", ("*a*b*", "*b*a*")),
        ("*?", "?*", ("*?",)),
    ],
)
def test_overlaps_of_a_few(one: str, other: str, shared: tuple[str, ...]) -> None:
    assert overlap(one, other) == shared


def test_an_overlap_that_no_composed_name_fits_is_none() -> None:
    """``fits`` compares names in their composed form, in which no accent stands alone."""
    assert overlap("e*", "*\u0301") == ("e*\u0301",)
    assert overlap("e?", "?\u0301") == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("*a" * 200, "*b" * 200),
        ("*a" * 30 + "*", "*b" * 30 + "*"),
        ("*" + "?" * 400, "*a" + "?" * 300 + "*"),
        ("?" * 250 + "*" + "a" * 200, "*" + "ab*" * 100),
    ],
)
def test_hard_patterns_take_no_long_time_and_share_no_more_than_they_should(
    one: str, other: str
) -> None:
    began = time.process_time()
    shared = overlap(one, other)
    assert time.process_time() - began < 2
    for each in shared:
        name = each.replace("*", "").replace("?", "a")
        assert fits(name, one)
        assert fits(name, other)
