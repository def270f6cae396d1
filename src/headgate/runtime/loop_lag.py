"""Measures by how much the event loop of a worker is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.1


async def watch_loop_lag(
    observe: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
    interval: float = INTERVAL_SECONDS,
) -> None:
    """Sleep again and again, and report how many seconds each sleep took too long.

    The loop's own clock stands still during a turn, so that another one is asked.
    """
    while True:
        due = clock() + interval
        await asyncio.sleep(interval)
        observe(max(0.0, clock() - due))
