"""Tasks that are neither lost nor fail silently, work in threads, and limits on waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Final, TypeVar

from headgate.events import Emit, InternalError

Result = TypeVar("Result")

LATE_SECONDS: Final = 0.1
"""By how much a timeout is late where the process stood still."""
AGAIN_SECONDS: Final = 0.5
"""How long it then waits for what came meanwhile, and for what threads were doing."""


class Tasks:
    """Tasks that belong together: each is kept, and one that fails is an event.

    asyncio itself keeps only weak references to tasks, and reports an error when one is collected,
    if ever.

    Args:
        emit: takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run ``work`` in the running loop until it ends or ``stop`` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._on_end)

    def stop(self) -> None:
        """Cancel all of them."""
        for task in tuple(self._running):
            task.cancel()

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._emit(InternalError(f"running the task '{task.get_name()}'", error))


class FairTimeout:
    """``asyncio.timeout``, but where this process stood still, what came meanwhile is taken first.

    A machine can be suspended, a container frozen, a processor busy.  When the process goes on, the
    event loop runs timers before it reads: others would be said to have been silent.

    Args:
        seconds: how long the block may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        """Begin."""
        await self._limit.__aenter__()
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._due, self._on_due)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End.

        Raises:
            TimeoutError: the block took too long.
        """
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _on_due(self) -> None:
        if self._loop.time() - self._due < LATE_SECONDS:
            self._end()
        else:
            self._timer = self._loop.call_later(AGAIN_SECONDS, self._end)

    def _end(self) -> None:
        self._limit.reschedule(self._loop.time())


async def to_the_end(executor: Executor, work: Callable[[], Result]) -> Result:
    """What ``work`` returns in the thread; a cancelled caller too leaves only when it is done."""
    running = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # else asyncio would log that nobody has asked for it
        raise
