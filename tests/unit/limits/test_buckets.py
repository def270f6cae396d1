"""Buckets in memory that several workers share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.limits import Buckets, Rate
from headgate.limits.buckets import (
    CELL_BYTES,
    KEPT_SECONDS,
    LOOK_SECONDS,
    SETTLING_SECONDS,
    WINDOW,
)

KEY = b"key"
ONE = Rate(1, 1)


def memory(slots: int) -> memoryview[float]:
    return memoryview(bytearray(2 * slots * CELL_BYTES)).cast("d")


def take(buckets: Buckets, name: str, rate: Rate, now: float) -> float:
    return buckets.take(buckets.bucket(name), rate, now)


@pytest.mark.parametrize("slots", [0, WINDOW - 1, WINDOW + 1, 3 * WINDOW])
def test_the_slots_are_a_power_of_two(slots: int) -> None:
    with pytest.raises(ValueError, match="a table of"):
        Buckets(memory(slots), KEY)


def test_a_number_more_is_no_table() -> None:
    with pytest.raises(ValueError, match="a table of 17 cells"):
        Buckets(memoryview(bytearray(17 * CELL_BYTES)).cast("d"), KEY)


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(memory(64), KEY)
    rate = Rate(2, 3)
    bucket = buckets.bucket("a")
    assert [buckets.take(bucket, rate, 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take(bucket, rate, 100.5) == 0
    assert buckets.take(bucket, rate, 100.5) == 0.5


def test_workers_share_a_bucket() -> None:
    cells = memory(64)
    one, other = Buckets(cells, KEY), Buckets(cells, KEY)
    assert take(one, "a", ONE, 5.0) == 0
    assert take(other, "a", ONE, 5.0) == 1
    assert take(other, "b", ONE, 5.0) == 0


def test_a_worker_that_replaces_another_finds_its_buckets() -> None:
    cells = memory(64)
    assert take(Buckets(cells, KEY), "a", ONE, 5.0) == 0
    assert take(Buckets(cells, KEY), "a", ONE, 5.5) == 0.5


def test_a_bucket_that_was_full_for_a_while_gives_its_slot_away() -> None:
    buckets = Buckets(memory(WINDOW), KEY)
    bucket = buckets.bucket("a")
    buckets.take(bucket, ONE, 0.0)
    later = KEPT_SECONDS + 2.0
    for number in range(WINDOW):
        assert take(buckets, f"other {number}", ONE, later) == 0
    for number in range(WINDOW):
        assert take(buckets, f"other {number}", ONE, later) == 1
    assert buckets.take(bucket, ONE, later) == 0
    assert bucket.at < 0


def test_where_all_slots_are_in_use_a_bucket_is_not_shared() -> None:
    cells = memory(WINDOW)
    one, other = Buckets(cells, KEY), Buckets(cells, KEY)
    for number in range(WINDOW):
        take(one, str(number), ONE, 0.0)
    mine, theirs = one.bucket("new"), other.bucket("new")
    assert [one.take(mine, ONE, 0.5) for _ in range(2)] == [0, 1]
    assert [other.take(theirs, ONE, 0.5) for _ in range(2)] == [0, 1]
    assert [take(one, str(each), ONE, 0.5) for each in range(WINDOW)] == [0.5] * WINDOW
    # Once there is a slot, what was counted so far counts there.
    late = KEPT_SECONDS + 1.25
    one.take(mine, Rate(0.01, 1), 2.0)
    assert one.take(mine, Rate(0.01, 1), late) > 70
    assert mine.at > 0
    assert other.take(theirs, Rate(0.01, 1), late) > 70


def test_of_two_workers_that_choose_one_slot_one_looks_again() -> None:
    cells = memory(WINDOW)
    one = Buckets(cells, KEY)
    bucket = one.bucket("a")
    one.take(bucket, ONE, 0.0)
    first = bucket.at
    cells[first - 1] = 4711.0  # another worker looked at the same moment, for another name
    assert one.take(bucket, ONE, 0.5) == 0
    assert bucket.at != first
    assert cells[first] == 1.0


def test_a_slot_is_looked_for_again_after_a_while_only() -> None:
    cells = memory(WINDOW)
    one = Buckets(cells, KEY)
    bucket = one.bucket("a")
    one.take(bucket, ONE, 0.0)
    one.take(bucket, ONE, SETTLING_SECONDS)
    assert bucket.look_at == SETTLING_SECONDS + LOOK_SECONDS
    # Workers that came to use two slots come back to one.
    other = 2 * ((bucket.home + 1) % WINDOW)
    if other + 1 == bucket.at:
        other = 2 * ((bucket.home + 2) % WINDOW)
    cells[other], cells[other + 1] = bucket.tag, 1000.0
    first = min((bucket.at - 1, other), key=lambda at: (at // 2 - bucket.home) % WINDOW)
    one.take(bucket, ONE, bucket.look_at)
    assert bucket.at == first + 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2)), max_size=200))
def test_no_principal_takes_of_another(steps: list[tuple[str, int]]) -> None:
    """As long as there is a slot for each, in any worker."""
    cells = memory(64)
    workers = [Buckets(cells, KEY) for _ in range(3)]
    rate = Rate(1, 4)
    taken = dict.fromkeys("abcdef", 0)
    for name, worker in steps:
        if take(workers[worker], name, rate, 7.0) == 0:
            taken[name] += 1
        else:
            assert taken[name] == 4
    assert max(taken.values()) <= 4


def test_nobody_can_choose_names_that_collide() -> None:
    first, second = Buckets(memory(64), b"one"), Buckets(memory(64), b"two")
    assert first.bucket("a").tag != second.bucket("a").tag
    assert first.bucket("a").tag == Buckets(memory(64), b"one").bucket("a").tag
