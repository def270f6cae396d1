"""Lets requests wait for a look at the key store, where memory alone would be a wrong answer.

Two promises hang on it, and neither may depend on how busy the machine is.  A key that was made a
moment ago is good: so what memory does not know is refused only after a look that has begun after
the request came.  A key that was revoked is dead within two seconds: so keys that were last
compared with the store too long ago are not gone by until the look that is under way is over.

The second wait has an end, since a store that hangs must not stop what it does not have to: after
``PATIENCE`` the keys in memory are gone by, until a look takes no longer than it should.  While the
store is known to be down nobody waits at all.

It belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

FRESH_SECONDS: Final = 1.5
"""How old a comparison with the store may be, without a look that is late."""
PATIENCE: Final = 1.0
"""Seconds for which known keys wait for a look that is late."""
LONGEST: Final = 6.0
"""Seconds for which unknown keys wait: longer than a look at a store that hangs."""
SPACING: Final = 0.2
"""Seconds between the begins of two looks on average, however many unknown keys there are."""
BURST: Final = 20
"""Looks that may follow one another immediately before that."""


class Looks:
    """The looks at the key store of one worker, and who waits for them.

    Args:
        clock: seconds since the epoch.

    Attributes:
        fresh_until: from when on known keys wait for a look; infinite: they do not.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock: Final = clock
        self.fresh_until = float("inf")
        self._runs = False
        self._fails = False
        self._is_asked: Final = asyncio.Event()
        self._under_way: asyncio.Future[None] | None = None
        self._following: asyncio.Future[None] | None = None
        self._due = 0.0  # when as many looks as there were would have begun at their average
        self._give_up_at: float | None = None

    @property
    def helps(self) -> bool:
        """Whether a look may tell more than memory."""
        return self._runs and not self._fails

    # --- for requests -----------------------------------------------------------------------

    async def look_again(self) -> bool:
        """Wait for a look that begins from now on; whether there was one, or none can be had."""
        if not self.helps:
            return True
        if self._following is None:
            self._following = asyncio.get_running_loop().create_future()
        self._is_asked.set()
        try:
            async with asyncio.timeout(LONGEST):
                await asyncio.shield(self._following)
        except TimeoutError:
            return False
        return True

    async def freshened(self) -> None:
        """Wait until the keys are fresh, or it is not waited for any longer."""
        if self._give_up_at is None:
            self._give_up_at = asyncio.get_running_loop().time() + PATIENCE
        try:
            async with asyncio.timeout_at(self._give_up_at):
                while self.helps and self.fresh_until <= self.clock():
                    if self._under_way is None:
                        await self.look_again()
                    else:
                        await asyncio.shield(self._under_way)
        except TimeoutError:
            self._go_by_memory()

    # --- for who looks ----------------------------------------------------------------------

    def run(self) -> None:
        """From now on there are looks."""
        self._runs = True

    async def pause(self, seconds: float) -> None:
        """Wait so long before the next look, or less if somebody asks for one."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_asked.wait()
                early = self._due - asyncio.get_running_loop().time()
                await asyncio.sleep(early - BURST * SPACING)
        except TimeoutError:
            pass

    def begin(self) -> None:
        """A look begins."""
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time()) + SPACING
        self._is_asked.clear()
        self._under_way, self._following = self._following or loop.create_future(), None

    def compared(self, at: float, interval: float) -> bool:
        """The keys are those of the store at ``at``; whether it is waited for again from now on.

        ``interval``: seconds between two looks.
        """
        fresh_until = at + max(FRESH_SECONDS, interval + FRESH_SECONDS / 2)
        gone_by = self.fresh_until == float("inf")
        if self._runs and (not gone_by or self.clock() < fresh_until):
            self.fresh_until, self._give_up_at = fresh_until, None
            return gone_by
        return False

    def end(self, *, fails: bool) -> None:
        """The look is over, and what it has found is in force; ``fails``: the store is down."""
        self._fails = fails
        if fails:
            self._go_by_memory()
        done, self._under_way = self._under_way, None
        if done is not None and not done.done():
            done.set_result(None)

    def stop(self) -> None:
        """There are no more looks, and nobody waits for one."""
        self._runs = False
        self._go_by_memory()
        for each in (self._under_way, self._following):
            if each is not None and not each.done():
                each.set_result(None)
        self._under_way = self._following = None

    def _go_by_memory(self) -> None:
        self.fresh_until, self._give_up_at = float("inf"), None
