"""Limits on waiting, in a process that stands still now and then."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest

from headgate.tasks import FairTimeout

LIMIT = 0.05
STILL = 0.3


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


def test_what_takes_too_long_ends() -> None:
    async def waits() -> None:
        async with FairTimeout(LIMIT):
            await _never()

    with pytest.raises(TimeoutError):
        asyncio.run(waits())


def test_what_takes_less_is_left_alone() -> None:
    async def waits() -> None:
        async with FairTimeout(LIMIT):
            await asyncio.sleep(0)
        await asyncio.sleep(2 * LIMIT)

    asyncio.run(waits())


def test_an_error_of_the_block_stays_what_it_is() -> None:
    async def fails() -> None:
        async with FairTimeout(LIMIT):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(fails())


def _after_standing_still(work: Callable[[], Awaitable[object]]) -> None:
    """Run ``work`` in a loop that stands still while it waits, for longer than it may wait."""

    async def both() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(LIMIT / 5, threading.Event().wait, STILL)
        async with FairTimeout(LIMIT):
            await work()

    asyncio.run(both())


def test_what_came_while_the_process_stood_still_is_taken() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)

        async def receives_twice() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(LIMIT / 5, theirs.send, b"a")
            for _ in range(5):  # as it takes several turns of the loop to read a response
                await asyncio.sleep(0)
            assert await loop.sock_recv(ours, 1) == b"a"
            await asyncio.sleep(0)

        _after_standing_still(receives_twice)


def test_what_has_not_come_by_then_ends_all_the_same() -> None:
    with pytest.raises(TimeoutError):
        _after_standing_still(_never)
