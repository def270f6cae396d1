"""The heartbeat of a worker: beats while the event loop turns, and has its stack written when not.

Where the loop stands still no Python code can run, in no thread: what holds it may hold the
interpreter's lock too.  ``faulthandler`` writes the stacks from a thread of its own in C.
"""

from __future__ import annotations

import asyncio
import faulthandler
import time
from collections.abc import Callable
from typing import Final

BEAT_SECONDS: Final = 0.5
STACK_AT: Final = 0.7
"""Share of the time allowed to a loop that stands still, after which its stack is written."""
REARM_AT: Final = 0.2
"""Share of it after which the writing is put off again: each time starts a thread."""


class Heartbeat:
    """Beats in the running loop until cancelled.

    Args:
        beat: called for each heartbeat.
        rest: called when there will be no more, in order.
        output: a file descriptor for the stacks of a loop that stands still.
        allowed: seconds for which a loop may stand still.
    """

    def __init__(
        self, beat: Callable[[], None], rest: Callable[[], None], output: int, allowed: float
    ) -> None:
        self._beat = beat
        self._rest = rest
        self._output = output
        self._allowed = allowed

    async def run(self) -> None:
        """Beat."""
        armed = -self._allowed
        try:
            while True:
                self._beat()
                now = time.monotonic()
                if now - armed >= REARM_AT * self._allowed:
                    armed = now
                    faulthandler.dump_traceback_later(
                        STACK_AT * self._allowed, file=self._output, exit=False
                    )
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._rest()
