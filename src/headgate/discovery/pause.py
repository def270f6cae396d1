"""The wait between two questions of an adapter, which may be cut short."""

from __future__ import annotations

import asyncio

from headgate.discovery.report import MAX_TTL, MIN_TTL

RETRY_SECONDS = 2.0
"""Until a question that has failed is asked again."""
JITTER = 0.1
"""Share of a TTL by which workers ask at different times."""


class Pause:
    """An adapter waits here; the wait is ended when no endpoint responds any more.

    However often it is ended, at least ``MIN_TTL`` seconds lie between two questions.
    """

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ask again as soon as that is allowed."""
        self._ended.set()

    async def wait(self, seconds: float) -> bool:
        """Wait so many seconds, or until ``end`` was called; whether it was."""
        await asyncio.sleep(min(seconds, MIN_TTL))
        try:
            async with asyncio.timeout(seconds - MIN_TTL):
                await self._ended.wait()
        except TimeoutError:
            return False
        self._ended.clear()
        return True


def jittered(ttl: float, drawn: float) -> float:
    """Seconds until the next question: the TTL or up to a tenth more, within the ceiling.

    ``drawn`` is a random number from 0 to 1.
    """
    return min(ttl, MAX_TTL / (1 + JITTER)) * (1 + JITTER * drawn)
