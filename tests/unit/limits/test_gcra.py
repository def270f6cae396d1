"""The token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.limits import Rate, gcra


@pytest.mark.parametrize(
    ("per_second", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (float("nan"), 1), (1, 0)]
)
def test_a_rate_has_bounds(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match=r"a (rate|burst) of"):
        Rate(per_second, burst)


def count(rate: Rate, times: list[float], tat: float = 0.0) -> list[float]:
    taken = []
    for now in times:
        if gcra.wait(tat, now, rate) == 0:
            tat = gcra.moved_on(tat, now, rate)
            taken.append(now)
    return taken


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.integers(0, 10_000), min_size=1, max_size=200),
)
def test_no_interval_of_time_has_more_than_its_share(
    per_second: int, burst: int, milliseconds: list[int]
) -> None:
    times = [each / 1000 for each in sorted(milliseconds)]
    taken = count(Rate(per_second, burst), times)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            most = burst + (taken[last] - taken[first]) * per_second
            assert last - first + 1 <= most + 0.0101  # rounding may take a hundredth


@given(st.integers(1, 50), st.integers(1, 20))
def test_one_who_never_stops_gets_the_whole_rate(per_second: int, burst: int) -> None:
    times = [each / 1000 for each in range(4000)]
    taken = len(count(Rate(per_second, burst), times))
    assert abs(taken - (burst + 4 * per_second)) <= 1 + 0.06 * 4 * per_second


def test_the_wait_is_as_long_as_it_says() -> None:
    rate = Rate(2, 2)
    tat = gcra.moved_on(gcra.moved_on(0.0, 10.0, rate), 10.0, rate)
    seconds = gcra.wait(tat, 10.0, rate)
    assert seconds == 0.5
    assert gcra.wait(tat, 10.0 + seconds, rate) == 0


def test_a_bucket_emptied_at_a_slow_rate_is_at_most_empty_at_a_fast_one() -> None:
    slow, fast = Rate(0.01, 3), Rate(10, 2)
    tat = gcra.moved_on(0.0, 5.0, slow)
    back = gcra.brought_back(tat, 5.0, fast)
    assert gcra.wait(back, 5.0, fast) == pytest.approx(0.1)
    assert gcra.brought_back(5.05, 5.0, fast) == 5.05
