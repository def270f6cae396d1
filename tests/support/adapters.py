"""Lets an adapter of discovery run, and tells a test what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from headgate.cluster import Found
from headgate.config import Upstream
from headgate.discovery import Discovery, discovery_for
from headgate.symptoms import DiscoveryFailure

DEADLINE = 20.0
"""Seconds; only a failing test waits that long."""


class Reports:
    """What an adapter has said so far."""

    def __init__(self) -> None:
        self.sets: list[tuple[set[str], float | None]] = []
        self.errors: list[str] = []
        self.failures: list[DiscoveryFailure] = []
        self._changed = asyncio.Event()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        self.sets.append(({str(each.endpoint) for each in found}, ttl))
        self._changed.set()

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        self.failures.append(failure)
        self.errors.append(detail)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


Story = Callable[[Reports], Awaitable[None]]


def watch(adapter: Discovery, story: Story) -> None:
    """Run ``adapter`` while ``story`` reads its reports."""

    async def run() -> None:
        reports = Reports()
        running = asyncio.get_running_loop().create_task(adapter.run(reports))
        try:
            await story(reports)
        finally:
            running.cancel()

    asyncio.run(run())


def follow(url: str, resolver: str, story: Story, **more: object) -> None:
    """Watch the adapter of ``url``, which asks ``resolver``."""
    settings = Upstream.model_validate({"url": url, "resolver": resolver, **more})
    (adapter,) = discovery_for(settings)
    watch(adapter, story)
