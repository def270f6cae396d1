"""The thread of the key store: one thing at a time, bounded in time and number."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from headgate.control.api.store_thread import (
    MAX_WAITING,
    StoreBusyError,
    StoreThread,
    StoreUnavailableError,
)
from headgate.errors import HeadgateError


class Store:
    """Notes in which threads it is used."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True


def use(store: Store) -> int:
    store.threads.append(threading.get_ident())
    return len(store.threads)


def run(thread: StoreThread[Store], what: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(what())
    finally:
        thread.close()


def test_the_store_is_opened_once_and_used_in_one_thread() -> None:
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(Store())
        return opened[-1]

    thread = StoreThread(open_store)

    async def work() -> None:
        assert not opened
        found = await asyncio.gather(*(thread.run(use) for _ in range(8)))
        assert sorted(found) == list(range(1, 9))

    run(thread, work)
    (store,) = opened
    assert len(set(store.threads)) == 1
    assert threading.get_ident() not in store.threads
    assert store.closed


def test_a_store_that_cannot_be_opened_is_tried_again() -> None:
    problems = [HeadgateError("no such file")]

    def open_store() -> Store:
        if problems:
            raise problems.pop()
        return Store()

    thread = StoreThread(open_store)

    async def work() -> None:
        with pytest.raises(StoreUnavailableError, match="no such file") as raised:
            await thread.run(use)
        assert raised.value.untouched
        assert await thread.run(use) == 1

    run(thread, work)


def test_work_that_takes_too_long_is_given_up_but_done() -> None:
    release, done = threading.Event(), threading.Event()

    def slow(_store: Store) -> None:
        release.wait(30)
        done.set()
        raise HeadgateError("nobody waits for this any longer")

    thread = StoreThread(Store, timeout=0.05)

    async def work() -> None:
        waiting = [asyncio.ensure_future(thread.run(slow)) for _ in range(2)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        first, second = found
        assert isinstance(first, StoreUnavailableError)
        assert isinstance(second, StoreUnavailableError)
        assert not first.untouched
        assert second.untouched  # its turn had not come
        release.set()
        await asyncio.to_thread(done.wait, 30)

    run(thread, work)
    assert done.is_set()


def test_who_leaves_does_not_stop_what_was_begun() -> None:
    begun, release, done = threading.Event(), threading.Event(), threading.Event()

    def slow(_store: Store) -> None:
        begun.set()
        release.wait(30)
        done.set()

    thread = StoreThread(Store)

    async def work() -> None:
        task = asyncio.ensure_future(thread.run(slow))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await asyncio.to_thread(done.wait, 30)

    run(thread, work)
    assert done.is_set()


def test_only_so_many_wait() -> None:
    release = threading.Event()

    def slow(_store: Store) -> None:
        release.wait(30)

    thread = StoreThread(Store)

    async def work() -> None:
        waiting = [asyncio.ensure_future(thread.run(slow)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusyError):
            await thread.run(use)
        release.set()
        await asyncio.gather(*waiting)
        await asyncio.sleep(0)
        assert await thread.run(use) == 1

    run(thread, work)
