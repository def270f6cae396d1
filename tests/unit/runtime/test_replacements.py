"""A worker that dies is replaced immediately; one that dies again and again, ever later."""

from __future__ import annotations

import math

import pytest

from headgate.runtime.replacements import PAUSES, QUICK_DEATH_SECONDS, Replacements
from headgate.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_worker_that_has_served_for_long_is_replaced_immediately(clock: ManualClock) -> None:
    replacements = Replacements(clock)
    assert replacements.next_at == math.inf
    replacements.schedule(3, clock() - QUICK_DEATH_SECONDS)
    assert replacements.next_at == clock()
    assert replacements.take_due() == [3]
    assert not replacements
    assert replacements.take_due() == []


def test_pauses_grow_with_quick_deaths_and_end_with_a_slow_one(clock: ManualClock) -> None:
    replacements = Replacements(clock)
    for pause in (*PAUSES, PAUSES[-1]):
        replacements.schedule(0, clock())
        assert replacements.next_at == pytest.approx(clock() + pause)
        clock.advance(pause)
        assert replacements.take_due() == [0]
    replacements.schedule(0, clock() - QUICK_DEATH_SECONDS)
    replacements.schedule(1, clock())
    assert replacements.take_due() == [0, 1]


def test_one_that_could_not_be_started_waits_the_longest_pause(clock: ManualClock) -> None:
    replacements = Replacements(clock)
    replacements.postpone(1)
    assert replacements.next_at == pytest.approx(clock() + PAUSES[-1])
    assert replacements.take_due() == []
    assert len(replacements) == 1
