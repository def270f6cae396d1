"""The queue of those who wait for room: fair between flows, first in first out within each."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.cluster import WaitQueue

Waiter = tuple[str, int]


def popped(queue: WaitQueue[str], count: int) -> list[str | None]:
    found = [queue.pop() for _ in range(count)]
    return [one[0] if one is not None else None for one in found]


def test_who_came_first_is_taken_first() -> None:
    queue = WaitQueue[str](10, 5)
    assert [queue.put(name, 0) for name in "abc"] == [None] * 3
    assert popped(queue, 4) == ["a", "b", "c", None]


def test_it_is_known_since_when_one_waits() -> None:
    queue = WaitQueue[str](10, 5)
    queue.put("a", 3)
    assert queue.pop() == ("a", 3)


def test_a_full_queue_takes_nobody() -> None:
    queue = WaitQueue[str](2, 5)
    assert [queue.put(name, 0) for name in "abc"] == [None, None, "c"]
    queue.discard("a")
    assert queue.put("c", 0) is None


def test_a_queue_of_no_size_takes_nobody() -> None:
    assert WaitQueue[str](0, 5).put("a", 0) == "a"


def test_nobody_waits_twice() -> None:
    queue = WaitQueue[str](2, 5)
    queue.put("a", 0)
    with pytest.raises(ValueError, match="'a' waits already"):
        queue.put("a", 1)


def test_who_waited_too_long_is_taken_out() -> None:
    queue = WaitQueue[str](10, 5)
    for moment, name in enumerate("abc"):
        queue.put(name, moment, name)
    assert queue.expire(4.9) == []
    assert queue.expire(6) == ["a", "b"]
    assert popped(queue, 2) == ["c", None]


def test_who_left_is_not_taken() -> None:
    queue = WaitQueue[str](10, 5)
    queue.put("a", 0)
    queue.discard("a")
    queue.discard("a")
    assert queue.pop() is None
    assert queue.expire(100) == []


def test_one_of_few_is_taken_before_the_rest_of_many() -> None:
    queue = WaitQueue[str](100, 5)
    for number in range(50):
        queue.put(f"greedy {number}", 0, "greedy")
    queue.put("modest", 1, "modest")
    assert popped(queue, 3) == ["greedy 0", "modest", "greedy 1"]


def test_one_who_comes_back_does_not_pass_those_who_wait() -> None:
    queue = WaitQueue[str](100, 5)
    for number in range(9):
        queue.put(f"a{number}", 0, "a")
    served = []
    for number in range(6):  # one connection, which asks again as soon as it was served
        queue.put(f"b{number}", 0, "b")
        while (one := popped(queue, 1)[0]) != f"b{number}":
            served.append(one)
        served.append(one)
    assert [str(each)[0] for each in served] == list("ababababababab"[: len(served)])


def test_a_full_queue_takes_one_from_the_flow_that_has_most() -> None:
    queue = WaitQueue[str](4, 5)
    for number in range(3):
        queue.put(f"a{number}", 0, "a")
    assert queue.put("b0", 0, "b") is None
    assert queue.put("c0", 0, "c") == "a2"
    assert queue.put("a3", 0, "a") == "a3"  # it has the most itself
    assert queue.put("b1", 0, "b") == "b1"  # it would have as many
    assert sorted(filter(None, popped(queue, 5))) == ["a0", "a1", "b0", "c0"]


def test_a_weight_counts_for_the_places_too() -> None:
    queue = WaitQueue[str](4, 5)
    for number in range(3):
        queue.put(f"heavy {number}", 0, "heavy", 4)
    queue.put("a", 0, "a")
    assert queue.put("heavy 3", 0, "heavy", 4) == "heavy 3"  # 4 / 4 is no less than 1 / 1
    queue.discard("heavy 2")
    queue.put("a1", 0, "a")
    assert queue.put("heavy 4", 0, "heavy", 4) == "a1"  # 3 / 4 is less than 2 / 1


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(1, 60))
def test_places_are_given_by_weight(weights: list[int], rounds: int) -> None:
    queue = WaitQueue[Waiter](10_000, 5)
    names = [chr(ord("a") + at) for at in range(len(weights))]
    for number in range(rounds * max(weights) + 1):
        for name, weight in zip(names, weights, strict=True):
            queue.put((name, number), 0, name, weight)
    served = Counter[str]()
    for _ in range(rounds * sum(weights)):
        found = queue.pop()
        assert found is not None
        served[found[0][0]] += 1
    for name, weight in zip(names, weights, strict=True):
        # One place more or less for each weight: two flows differ by no more (Goyal et al.).
        assert abs(served[name] - rounds * weight) <= weight + 1


@given(st.integers(1, 200), st.integers(1, 10), st.integers(0, 30))
def test_nobody_starves(crowd: int, others: int, served_before: int) -> None:
    queue = WaitQueue[Waiter](10_000, 5)
    for number in range(crowd + served_before):
        queue.put(("greedy", number), 0, "greedy")
    for number in range(others):
        queue.put(("other", number), 0, f"other {number}")
    for _ in range(served_before):
        queue.pop()
    queue.put(("late", 0), 0, "late")
    for turn in range(1, others + 3):
        found = queue.pop()
        assert found is not None
        if found[0] == ("late", 0):
            break
        queue.put((f"again {turn}", 0), 0, f"again {turn}")  # others keep coming
    else:
        raise AssertionError(f"not served among {others + 2}")


class AnyOrder(RuleBasedStateMachine):
    """The queue beside a plain list of who waits."""

    SIZE = 6
    TIMEOUT = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.queue = WaitQueue[Waiter](self.SIZE, self.TIMEOUT)
        self.waiting: list[tuple[Waiter, float, float]] = []  # with weight and arrival
        self.now = 0.0
        self.count = 0

    @rule(flow=st.sampled_from("abcd"), weight=st.sampled_from([0.5, 1.0, 3.0]))
    def put(self, flow: str, weight: float) -> None:
        waiter = (flow, self.count)
        self.count += 1
        before = Counter(each[0][0] for each in self.waiting)
        lost = self.queue.put(waiter, self.now, flow, weight)
        assert (lost is None) == (len(self.waiting) < self.SIZE)
        self.waiting = [
            (one, weight if one[0] == flow else old, since) for one, old, since in self.waiting
        ]
        self.waiting.append((waiter, weight, self.now))
        if lost is not None:
            assert [each[0] for each in self.waiting if each[0][0] == lost[0]][-1] == lost
            if lost != waiter:
                assert before[lost[0]] > 1 or before[lost[0]] / self.weight(lost[0]) > 1 / weight
            self.remove(lost)

    def weight(self, flow: str) -> float:
        return next(each[1] for each in self.waiting if each[0][0] == flow)

    def remove(self, waiter: Waiter) -> None:
        self.waiting = [each for each in self.waiting if each[0] != waiter]

    @rule()
    def pop(self) -> None:
        found = self.queue.pop()
        assert (found is None) == (not self.waiting)
        if found is not None:
            waiter, since = found
            assert next(each for each in self.waiting if each[0][0] == waiter[0])[0] == waiter
            assert (waiter, since) in [(each[0], each[2]) for each in self.waiting]
            self.remove(waiter)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from([each[0] for each in self.waiting]))
        self.queue.discard(waiter)
        self.remove(waiter)

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        due = [each[0] for each in self.waiting if each[2] + self.TIMEOUT <= self.now]
        assert self.queue.expire(self.now) == due
        self.waiting = [each for each in self.waiting if each[0] not in due]

    @invariant()
    def as_many_wait(self) -> None:
        assert len(self.queue) == len(self.waiting) <= self.SIZE


TestAnyOrder = AnyOrder.TestCase


@given(st.lists(st.sampled_from(["put", "pop", "discard"]), max_size=300), st.integers(1, 50))
def test_it_remembers_no_more_than_it_holds(steps: list[str], flows: int) -> None:
    queue = WaitQueue[int](20, 5)
    waiting: list[int] = []
    for number, step in enumerate(steps):
        if step == "put":
            lost = queue.put(number, 0, str(number % flows))
            waiting = [each for each in (*waiting, number) if each != lost]
        elif step == "discard" and waiting:
            queue.discard(waiting.pop(0))
        elif step == "pop" and (found := queue.pop()) is not None:
            waiting.remove(found[0])
    for size in (queue._flows, queue._turns, queue._loads):
        assert len(size) <= 2 * len(waiting) + 64 + 1


def test_flows_that_come_and_go_are_forgotten() -> None:
    queue = WaitQueue[str](10, 5)
    for number in range(3):
        queue.put(f"stays {number}", 0, "stays")
    for number in range(500):
        queue.put(f"goes {number}", 0, f"flow {number}")
        queue.discard(f"goes {number}")
    for size in (queue._flows, queue._turns, queue._loads):
        assert len(size) <= 2 * 3 + 64 + 1
    assert popped(queue, 4) == ["stays 0", "stays 1", "stays 2", None]


def test_what_a_flow_has_got_is_not_forgotten_while_others_wait() -> None:
    queue = WaitQueue[str](300, 5)
    for number in range(200):
        queue.put(f"a{number}", 0, "a")
        queue.put(f"b{number}", 0, "b") if number < 3 else None
    for number in range(400):
        queue.put(f"c{number}", 0, "c", 100)
        queue.discard(f"c{number}")
    assert popped(queue, 7) == ["a0", "b0", "a1", "b1", "a2", "b2", "a3"]
