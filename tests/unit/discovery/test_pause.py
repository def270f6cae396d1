"""An adapter waits until it is due, or until a refresh, and never asks without a pause."""

from __future__ import annotations

import asyncio

import pytest

from headgate.discovery import pause
from headgate.discovery.pause import Pause

LONG = 3600.0
DEADLINE = 20.0


@pytest.fixture(autouse=True)
def _short_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "MIN_TTL", 0.05)


def waited(seconds: float, *, ends: int) -> tuple[list[bool], float]:
    """What as many waits return, each cut short immediately, and how long they took."""

    async def story() -> tuple[list[bool], float]:
        loop = asyncio.get_running_loop()
        wait, began, returned = Pause(), loop.time(), []
        async with asyncio.timeout(DEADLINE):
            for _ in range(ends):
                wait.end()
                wait.end()
                returned.append(await wait.wait(seconds))
            if not ends:
                returned.append(await wait.wait(seconds))
        return returned, loop.time() - began

    return asyncio.run(story())


def test_it_can_be_ended_early_but_not_immediately() -> None:
    returned, took = waited(LONG, ends=3)
    assert returned == [True, True, True]
    assert took >= 3 * 0.05


@pytest.mark.parametrize("seconds", [0.01, 0.05, 0.1])
def test_it_ends_by_itself(seconds: float) -> None:
    returned, took = waited(seconds, ends=0)
    assert returned == [False]
    assert took >= seconds * 0.99


def test_what_was_said_while_it_did_not_wait_counts_once() -> None:
    async def story() -> list[bool]:
        wait = Pause()
        wait.end()
        return [await wait.wait(LONG), await wait.wait(0.1)]

    assert asyncio.run(story()) == [True, False]
