"""Buckets in memory that several workers share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.limits import Buckets, Rate
from headgate.limits.buckets import CELL_BYTES, LOOK_SECONDS, WINDOW

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


def test_a_bucket_whose_slot_was_given_away_gets_another() -> None:
    buckets = Buckets(memory(WINDOW), KEY)
    bucket = buckets.bucket("a")
    buckets.take(bucket, ONE, 0.0)
    for number in range(WINDOW):  # full again, so its slot is the first to go
        buckets.take(buckets.bucket(f"other {number}"), Rate(1, 5), 2.0)
    assert buckets.take(bucket, ONE, 2.5) == 0
    assert buckets.take(bucket, ONE, 2.5) == 1


def test_where_all_are_in_use_the_one_nearest_to_full_goes() -> None:
    buckets = Buckets(memory(WINDOW), KEY)
    rates = [Rate(1 / (number + 1), 1) for number in range(WINDOW)]
    for number, rate in enumerate(rates):
        take(buckets, str(number), rate, 0.0)
    assert take(buckets, "new", ONE, 0.5) == 0
    assert [take(buckets, str(each), rates[each], 0.5) > 0 for each in range(1, WINDOW)] == [
        True
    ] * (WINDOW - 1)


def test_workers_that_came_to_use_two_slots_come_back_to_one() -> None:
    cells = memory(WINDOW)
    one = Buckets(cells, KEY)
    bucket = one.bucket("a")
    one.take(bucket, ONE, 0.0)
    # Another worker looked at the same moment, and chose another slot.
    other = 2 * ((bucket.home + 1) % WINDOW)
    if other == bucket.at:
        other = 2 * ((bucket.home + 2) % WINDOW)
    cells[other], cells[other + 1] = bucket.tag, 1000.0
    assert one.take(bucket, ONE, 1.0) == 0
    first = min((bucket.at, other), key=lambda at: (at // 2 - bucket.home) % WINDOW)
    one.take(bucket, ONE, 2 * LOOK_SECONDS)
    assert bucket.at == first


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
