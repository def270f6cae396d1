"""Percentiles of the values that are made of buckets are those of the buckets."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.telemetry.emf_values import MOST, spread
from headgate.telemetry.metrics import METRICS, Kind
from tests.support.emf import percentile

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 10.0, 3600.0)
BUCKETS = st.lists(
    st.integers(0, 5) | st.integers(0, 10**6), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1
)


def counted(values: list[float]) -> list[int]:
    """How many values lie in each bucket, as the counters count them."""
    found = [0] * (len(BOUNDS) + 1)
    for each in values:
        found[bisect_left(BOUNDS, each)] += 1
    return found


@given(buckets=BUCKETS)
@example(buckets=[10**6, *[0] * 10, 1])
def test_at_most_so_many_values_that_lie_as_the_buckets_say(buckets: list[int]) -> None:
    """The last bucket has no upper bound: what lies there counts for the one below."""
    total = sum(buckets)
    values = spread(BOUNDS, buckets)
    assert values == sorted(values)
    assert len(values) == min(total, MOST)
    merged = [*buckets[:-2], buckets[-2] + buckets[-1]]
    found = counted(values)[:-1]
    if total <= MOST:
        assert found == merged
        return
    # Of more than that, ranks are off by at most one of those that were chosen.
    for whole, part in zip(accumulate(merged), accumulate(found), strict=True):
        assert abs(whole / total - part / MOST) <= 1 / (MOST - 1) + 1e-9
    assert [bool(each) for each in found][::-1].index(True) == [bool(each) for each in merged][
        ::-1
    ].index(True)  # the slowest are never left out


@given(buckets=BUCKETS, share=st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_above_a_bound_only_where_that_of_the_values_is(
    buckets: list[int], share: float
) -> None:
    """What alarms compare is exact where all values are sent."""
    total = sum(buckets)
    if not 0 < total <= MOST:
        return
    real = [
        bound for bound, count in zip((*BOUNDS, 3600.0), buckets, strict=True) for _ in range(count)
    ]
    got, wanted = percentile(spread(BOUNDS, buckets), share), percentile(real, share)
    assert bisect_left(BOUNDS, got) == bisect_left(BOUNDS, wanted)


def test_nothing_is_made_of_nothing() -> None:
    assert spread(BOUNDS, [0] * (len(BOUNDS) + 1)) == []


def test_single_values_lie_in_the_middle() -> None:
    assert spread((1.0, 2.0, 4.0), [1, 0, 2, 1]) == [0.5, 2.5, 3.5, 4.0]


@pytest.mark.parametrize("metric", [each for each in METRICS if each.kind is Kind.HISTOGRAM])
def test_rounding_leaves_values_within_their_bucket(metric: object) -> None:
    bounds = metric.bounds  # type: ignore[attr-defined]
    for at in range(len(bounds)):
        buckets = [0] * (len(bounds) + 1)
        buckets[at] = 10**7
        values = spread(bounds, buckets)
        low = bounds[at - 1] if at else 0.0
        assert low < values[0]
        assert values[-1] <= bounds[at]
