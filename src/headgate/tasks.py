"""Work beside requests that is neither lost nor fails silently: tasks, and what threads do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from headgate.events import Emit, InternalError

Result = TypeVar("Result")


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
