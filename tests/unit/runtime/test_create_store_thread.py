"""The thread of the store of shared creates, while that store fails."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Self

import pytest

from headgate.errors import HeadgateError
from headgate.events import Event
from headgate.runtime import create_store_thread
from headgate.runtime.create_store_thread import (
    MOST_WAITING,
    NOT_DONE,
    RETRY_SECONDS,
    CreateStoreThread,
)
from headgate.stores.creates import Enter, Note
from headgate.testing.clock import ManualClock
from headgate.testing.create_store import MemoryCreateStore
from tests.support.create_scene import Inline

DIGEST = b"d" * 32


class Calls:
    """Counts the calls that are made within it."""

    def __init__(self) -> None:
        self.count = 0

    def _on(self, _frame: FrameType, event: str, _arg: object) -> None:
        self.count += event in ("call", "c_call")

    def __enter__(self) -> Self:
        sys.setprofile(self._on)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def note(number: int) -> Note:
    return Note(number, DIGEST, number.to_bytes(12, "big"))


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create_store_thread, "ThreadPoolExecutor", lambda **_: Inline())


async def quiet() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_create_does_not_wait_the_longer_the_more_are_put_off() -> None:
    async def story() -> None:
        clock, store, events = ManualClock(), MemoryCreateStore(), list[Event]()
        store.failure = HeadgateError("down")
        thread = CreateStoreThread("me", lambda: store, clock, events.append)
        with thread.running():
            thread.add(note(0), waits=False)
            await quiet()
            took = []
            for number in range(1, 2 * MOST_WAITING):
                if number in (10, MOST_WAITING // 2, 2 * MOST_WAITING - 1):
                    with Calls() as calls:
                        thread.add(note(number), waits=False)
                    took.append(calls.count)
                else:
                    thread.add(note(number), waits=False)
            assert max(took) <= 2 * min(took)

            store.failure = None
            clock.advance(RETRY_SECONDS)
            last = 2 * MOST_WAITING - 1
            while last not in store._rows:
                thread.begin()
                await asyncio.sleep(0)
            assert last - MOST_WAITING + 1 in store._rows

    asyncio.run(story())


def test_who_waits_hears_immediately_that_a_store_that_has_failed_is_not_asked() -> None:
    async def story() -> None:
        clock, store, events = ManualClock(), MemoryCreateStore(), list[Event]()
        store.failure = HeadgateError("down")
        thread = CreateStoreThread("me", lambda: store, clock, events.append)
        with thread.running():
            first = thread.add(Enter(1, DIGEST))
            assert await first.within(60) is NOT_DONE
            assert thread.add(Enter(2, DIGEST)).is_done
            assert thread.add(lambda _store: 1).is_done
            assert thread.is_idle

    asyncio.run(story())
