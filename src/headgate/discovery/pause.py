"""The wait between two questions of an adapter, which may be cut short."""

from __future__ import annotations

import asyncio

from headgate.discovery.report import MIN_TTL


class Pause:
    """Who asks waits here; whoever finds that no endpoint answers any more ends the wait.

    However often that is said, at least ``MIN_TTL`` seconds lie between two questions.
    """

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ask again as soon as that is allowed."""
        self._ended.set()

    async def wait(self, seconds: float) -> bool:
        """Wait so long, or until ``end`` was called; whether it was."""
        await asyncio.sleep(min(seconds, MIN_TTL))
        try:
            async with asyncio.timeout(seconds - MIN_TTL):
                await self._ended.wait()
        except TimeoutError:
            return False
        self._ended.clear()
        return True
