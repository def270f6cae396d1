"""Names and patterns."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.policy.pattern import LONGEST_NAME, fits
from tests.support.patience import patience


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("team-a/x", "team-a/*"),
        ("team-a/x/y", "team-a/*"),
        ("team-a/", "team-a/*"),
        ("anything at all", "*"),
        ("", "*"),
        ("a/b", "a?b"),
        ("x-dev", "*-dev"),
        ("a-b-a-b-c", "a*b-c"),
        ("Ame\u0301lie", "Am?lie"),
        ("line\nbreak", "line*break"),
        ("[ab]", "[ab]"),
        ("a+b", "a+b"),
    ],
)
def test_a_name_that_fits(name: str, pattern: str) -> None:
    assert fits(name, pattern)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("team-a", "team-a/*"),
        ("team-ab/x", "team-a/*"),
        ("my/team-a/x", "team-a/*"),
        ("Team-A/x", "team-a/*"),
        ("ab", "a?b"),
        ("a", "[ab]"),
        ("aab", "a+b"),
        ("x", ""),
        ("x" * (LONGEST_NAME + 1), "*"),
    ],
)
def test_a_name_that_does_not_fit(name: str, pattern: str) -> None:
    assert not fits(name, pattern)


def reference(name: str, pattern: str) -> bool:
    """The meaning written down: one character of the pattern after the other."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(reference(name[skipped:], pattern[1:]) for skipped in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and reference(name[1:], pattern[1:])


@given(st.text("ab/", max_size=8), st.text("ab/*?", max_size=6))
def test_a_pattern_means_what_its_characters_say(name: str, pattern: str) -> None:
    assert fits(name, pattern) == reference(name, pattern)


@given(st.text(max_size=20))
def test_two_ways_to_write_one_name_are_one(name: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    if not set("*?") & set(composed):
        assert fits(decomposed, composed)
    assert fits(name, "*") == fits(decomposed, "*")


def test_no_name_makes_the_gate_slow() -> None:
    """The worst pattern with the longest name takes milliseconds, not years."""
    began = time.monotonic()
    assert not fits("a" * LONGEST_NAME, "*a" * 240 + "b")
    assert time.monotonic() - began < patience(5)
