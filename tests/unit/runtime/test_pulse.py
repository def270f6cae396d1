"""A loop stands still when its heartbeat does, while the supervisor itself runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.runtime.pulse import LOOK_SECONDS, MOST_PER_LOOK, Pulse, Stopwatch

gaps = st.lists(st.floats(0, 1e6), max_size=50)


@given(gaps=gaps)
def test_no_look_counts_more_than_the_supervisor_can_have_run(gaps: list[float]) -> None:
    """However long a machine was suspended."""
    watch, now = Stopwatch(0.0), 0.0
    for gap in gaps:
        now += gap
        assert 0 <= watch.lap(now) <= min(gap + 1e-6, MOST_PER_LOOK)
        assert watch.due == now + LOOK_SECONDS


def test_a_clock_that_goes_back_counts_nothing() -> None:
    watch = Stopwatch(10.0)
    assert watch.lap(5.0) == 0
    assert watch.lap(5.5) == 0.5


@given(beats=st.lists(st.integers(0, 3), max_size=60))
def test_silence_is_the_time_since_the_last_change(beats: list[int]) -> None:
    pulse = Pulse()
    for beat in beats:
        pulse.note(beat, 0.5)
    seen = [0, *beats]
    still = 0
    while still < len(beats) and seen[-1 - still] == seen[-2 - still]:
        still += 1
    assert pulse.silent == pytest.approx(0.5 * still)
    assert pulse.beat == seen[-1]
