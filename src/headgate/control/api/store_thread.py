"""The work on the key store for the admin API: blocking, so in a thread, and bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from headgate.errors import HeadgateError
from headgate.tasks import FairTimeout

TIMEOUT_SECONDS = 15.0
"""How long one request waits for its work, its turn included."""
MAX_WAITING = 32
"""Requests of one worker that wait for their turn; more are refused."""


class Closing(Protocol):
    """What is closed when it is no longer used."""

    def close(self) -> None:
        """Close it."""


Store_co = TypeVar("Store_co", bound=Closing, covariant=True)
Result = TypeVar("Result")


class StoreUnavailableError(Exception):
    """The store cannot be used now.

    Attributes:
        untouched: whether it is certain that nothing was done.
        detail: what is wrong, for the log alone: it may name files and servers.
    """

    def __init__(self, detail: str, *, untouched: bool) -> None:
        self.detail = detail
        self.untouched = untouched
        super().__init__(detail)


class StoreBusyError(Exception):
    """Too many requests wait for the store."""


class StoreThread(Generic[Store_co]):
    """One thread with one store of its own, opened when it is first needed.

    Args:
        open_store: opens it; called in the thread.
        timeout: seconds.
    """

    def __init__(
        self, open_store: Callable[[], Store_co], timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._open = open_store
        self._timeout = timeout
        self._store: Store_co | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def run(self, work: Callable[[Store_co], Result]) -> Result:
        """What ``work`` returns or raises; it is done to its end though the caller be cancelled.

        Raises:
            StoreUnavailableError: the store cannot be opened, or does not respond in time.
            StoreBusyError: too many wait for it.
        """
        if self._waiting >= MAX_WAITING:
            raise StoreBusyError
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="headgate-admin")
        self._waiting += 1
        job = self._executor.submit(self._do, work)
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _job: self._ended(loop))
        result = asyncio.wrap_future(job, loop=loop)
        result.add_done_callback(_retrieved)
        try:
            async with FairTimeout(self._timeout):
                return await asyncio.shield(result)
        except TimeoutError:
            raise StoreUnavailableError(
                f"it has not responded in {self._timeout:g} s", untouched=job.cancel()
            ) from None

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called in the thread, or by what cancels the work."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any longer
            loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._waiting -= 1

    def _do(self, work: Callable[[Store_co], Result]) -> Result:
        if self._store is None:
            try:
                self._store = self._open()
            except HeadgateError as error:
                raise StoreUnavailableError(str(error), untouched=True) from error
        return work(self._store)

    def close(self) -> None:
        """Drop what waits, let what runs end, and close the store."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()
            self._store = None


def _retrieved(result: asyncio.Future[Result]) -> None:
    """Let asyncio not report the error of work that nobody waits for any longer."""
    if not result.cancelled():
        result.exception()
