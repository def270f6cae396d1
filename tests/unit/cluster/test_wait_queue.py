"""The queue of those who wait for room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cluster import WaitQueue


def test_who_came_first_is_taken_first() -> None:
    queue = WaitQueue[str](10, 5)
    assert all(queue.put(name, 0) for name in "abc")
    assert [queue.pop() for _ in range(4)] == ["a", "b", "c", None]


def test_a_full_queue_takes_nobody() -> None:
    queue = WaitQueue[str](2, 5)
    assert [queue.put(name, 0) for name in "abc"] == [True, True, False]
    queue.discard("a")
    assert queue.put("c", 0)


def test_nobody_waits_twice() -> None:
    queue = WaitQueue[str](2, 5)
    queue.put("a", 0)
    with pytest.raises(ValueError, match="'a' waits already"):
        queue.put("a", 1)


def test_who_waited_too_long_is_taken_out() -> None:
    queue = WaitQueue[str](10, 5)
    for moment, name in enumerate("abc"):
        queue.put(name, moment)
    assert queue.expire(4.9) == []
    assert queue.expire(6) == ["a", "b"]
    assert queue.pop() == "c"


def test_who_left_is_not_taken() -> None:
    queue = WaitQueue[str](10, 5)
    queue.put("a", 0)
    queue.discard("a")
    queue.discard("a")
    assert queue.pop() is None
    assert queue.expire(100) == []


@given(st.lists(st.sampled_from(["put", "pop", "discard", "expire", "wait"]), max_size=60))
def test_everybody_leaves_the_queue_once_in_the_order_of_arrival(steps: list[str]) -> None:
    queue = WaitQueue[int](4, 5)
    now, arrived, out, waiting = 0.0, 0, list[int](), list[int]()
    for step in steps:
        if step == "put":
            assert queue.put(arrived, now) == (len(waiting) < 4)
            waiting = [*waiting, arrived][:4]
            arrived += 1
        elif step == "discard" and waiting:
            queue.discard(waiting.pop(len(waiting) // 2))
        elif step == "wait":
            now += 2
        else:
            gone = queue.expire(now) if step == "expire" else [queue.pop()]
            out += [one for one in gone if one is not None]
            waiting = [one for one in waiting if one not in out]
        assert len(queue) == len(waiting)
    assert out == sorted(set(out))
