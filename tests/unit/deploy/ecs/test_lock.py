"""The lock of a service: one holder, whatever the order of what several operators do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.lock import (
    SKEW,
    Lock,
    LockError,
    acquire,
    current,
    read_lock,
    release,
)

NAME = "/headgate/c/s/lock"


class Versions:
    """SSM as it numbers versions; only the last hundred are kept."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def read(self, version: int | None = None) -> tuple[str, int] | None:
        number = len(self.texts) if version is None else version
        if not max(1, len(self.texts) - 99) <= number <= len(self.texts):
            return None
        return self.texts[number - 1], number

    def create(self, text: str) -> bool:
        if self.texts:
            return False
        self.texts.append(text)
        return True

    def write(self, text: str) -> int:
        self.texts.append(text)
        return len(self.texts)


def lock(nonce: str, until: float = 1000.0) -> Lock:
    return Lock(f"arn:{nonce}", "host:1", 0.0, until, nonce, "deploy")


def test_one_has_the_lock_until_it_is_given_back() -> None:
    at = Versions()
    assert acquire(at, NAME, lock("a"), 1.0) is None
    assert acquire(at, NAME, lock("b"), 1.0) == lock("a")
    release(at, NAME, "b")
    assert current(at, NAME)[0] == lock("a"), "another's cannot be given back"
    release(at, NAME, "a")
    assert acquire(at, NAME, lock("b"), 1.0) is None


def test_the_lock_of_a_command_that_crashed_is_taken_over_after_its_lease_and_no_earlier() -> None:
    at = Versions()
    assert acquire(at, NAME, lock("a", until=100.0), 1.0) is None
    assert acquire(at, NAME, lock("b"), 100.0 + SKEW) == lock("a", until=100.0)
    assert acquire(at, NAME, lock("b"), 101.0 + SKEW) is None
    release(at, NAME, "a")
    assert current(at, NAME)[0] == lock("b"), "who wakes up late gives back nothing"
    assert acquire(at, NAME, lock("a", until=5000.0), 102.0 + SKEW) == lock("b")


def test_a_lease_is_extended_by_its_holder() -> None:
    at = Versions()
    acquire(at, NAME, lock("a", until=100.0), 1.0)
    assert acquire(at, NAME, lock("a", until=900.0), 90.0) is None
    assert current(at, NAME)[0] == lock("a", until=900.0)


@pytest.mark.parametrize(
    "text",
    ["", "free", "[]", "{}", '{"held": {}, "after": 0}', '{"held": null, "after": true}',
     json.dumps({"held": {**lock("a").to_document(), "until": "x"}, "after": 0}),
     json.dumps({"held": {**lock("a").to_document(), "host": 1}, "after": 0}),
     json.dumps({"held": None, "after": 7})],
)  # fmt: skip
def test_something_else_is_never_taken_for_a_free_lock(text: str) -> None:
    at = Versions()
    at.texts.append(text)
    with pytest.raises(LockError, match=r"aws ssm delete-parameter --name /headgate/c/s/lock"):
        acquire(at, NAME, lock("a"), 1.0)
    assert at.texts == [text]


def test_a_lock_is_read_as_it_was_written() -> None:
    assert read_lock(lock("a").to_text()) == lock("a")
    with pytest.raises(LockError):
        read_lock("{}")


def test_who_is_overtaken_all_the_time_says_so() -> None:
    class Busy(Versions):
        def write(self, text: str) -> int:
            super().write(json.dumps({"held": None, "after": len(self.texts)}))
            return super().write(text)

    at = Busy()
    at.texts.append(json.dumps({"held": None, "after": 0}))
    with pytest.raises(PlaneError, match="again and again") as caught:
        acquire(at, NAME, lock("a"), 1.0)
    assert caught.value.retryable


class Stepped:
    """Stops before each call, so that a schedule decides who makes the next one."""

    def __init__(self, at: Versions, step: Callable[[], None]) -> None:
        self._at = at
        self._step = step

    def read(self, version: int | None = None) -> tuple[str, int] | None:
        self._step()
        return self._at.read(version)

    def create(self, text: str) -> bool:
        self._step()
        return self._at.create(text)

    def write(self, text: str) -> int:
        self._step()
        return self._at.write(text)


def interleaved(
    works: dict[str, Callable[[Stepped], None]], at: Versions, schedule: list[str]
) -> None:
    """Run each work as a thread of calls, of which ``schedule`` says whose is next."""
    turns = {name: Event() for name in works}
    done = {name: Event() for name in works}
    over: set[str] = set()

    def stepper(name: str) -> Callable[[], None]:
        def step() -> None:
            done[name].set()
            turns[name].wait()
            turns[name].clear()

        return step

    def run(name: str, work: Callable[[Stepped], None]) -> None:
        try:
            work(Stepped(at, stepper(name)))
        finally:
            over.add(name)
            done[name].set()

    threads = [Thread(target=run, args=item, daemon=True) for item in works.items()]
    for thread in threads:
        thread.start()
    for name in works:
        done[name].wait()

    def order() -> Iterator[str]:
        yield from schedule
        while len(over) < len(works):
            yield from works

    for name in order():
        if name in works and name not in over:
            done[name].clear()
            turns[name].set()
            done[name].wait()
    for thread in threads:
        thread.join()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from("abcz"), max_size=40),
    st.sampled_from(["none", "free", "expired", "held"]),
    st.booleans(),
)
def test_of_several_one_gets_it_whatever_the_order(
    schedule: list[str], before: str, wakes: bool
) -> None:
    at = Versions()
    now = 500.0
    if before != "none":
        acquire(at, NAME, lock("z", until=100.0 if before == "expired" else 900.0), 1.0)
    if before == "free":
        release(at, NAME, "z")
    got: dict[str, Lock | None] = {}
    lost: set[str] = set()

    def take(name: str) -> Callable[[Stepped], None]:
        def work(stepped: Stepped) -> None:
            try:
                got[name] = acquire(stepped, NAME, lock(name), now)
            except PlaneError:
                lost.add(name)

        return work

    works = {name: take(name) for name in "abc"}
    if wakes:
        works["z"] = lambda stepped: release(stepped, NAME, "z")
    interleaved(works, at, schedule)
    winners = [name for name, other in got.items() if other is None]
    held = current(at, NAME)[0]
    assert len(winners) <= 1
    if winners:
        assert held == lock(winners[0])
        others = {name: other for name, other in got.items() if other is not None}
        assert all(other in {lock(winners[0]), lock("z", 900.0)} for other in others.values())
    elif before != "held" and not lost:
        raise AssertionError("nobody got a lock that was to be had")
    if before == "held" and not wakes:
        assert not winners
        assert held == replace(lock("z"), until=900.0)
