"""The thread of one worker that reads and writes the store of the creates that gates share.

All that has come while it was at something is done in one transaction, so that no request waits for
another's.  While the store fails, what changes it is kept until it is back; for all else nobody
waits long enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from headgate.errors import HeadgateError
from headgate.events import CreatesNotShared, CreatesShared, Emit
from headgate.stores.creates import CreateStore, Enter, Operation, Written
from headgate.stores.maintenance import OlderSchemaError

RETRY_SECONDS: Final = 2.0
"""After which a store that has failed is asked again."""
PATIENT_SECONDS: Final = 10.0
"""After which one of an older schema is."""
MOST_TOGETHER: Final = 100
MOST_WAITING: Final = 10_000
"""Changes that are kept for a store that fails; the oldest are lost."""

Work = Operation | Callable[[CreateStore], object]
"""An operation, or anything else that is done in the store, alone."""


class _NotDone:
    """The result of what the store did not do."""


NOT_DONE: Final = _NotDone()


@dataclass(slots=True)
class Due:
    """Something to do in the store, and who waits for what comes of it, if anybody does."""

    work: Work
    waiter: asyncio.Future[Any] | None = None

    @property
    def is_done(self) -> bool:
        """Whether something has come of it."""
        return self.waiter is not None and self.waiter.done()

    def settle(self, result: object) -> None:
        """It has come to this."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(result)

    def when_done(self, call: Callable[[], object]) -> None:
        """Call once something has come of it, also if nobody waits any more."""
        assert self.waiter is not None  # noqa: S101 - it was added with one
        self.waiter.add_done_callback(lambda _done: call())

    async def within(self, seconds: float) -> object:
        """What comes of it in time; ``NOT_DONE`` if nothing does."""
        assert self.waiter is not None  # noqa: S101 - it was added with one
        await asyncio.wait((self.waiter,), timeout=seconds)
        return self.waiter.result() if self.waiter.done() else NOT_DONE


class CreateStoreThread:
    """Does what is due in the store, in the order in which it came.

    Args:
        me: this process, as others are to know it.
        open_store: opens the store; called in the thread.
        clock: seconds from an arbitrary start.
        emit: takes the events.

    Attributes:
        why: why the store is not asked, or was not the last time.
        beaten_at: when the store last heard that this process lives.
    """

    def __init__(
        self,
        me: str,
        open_store: Callable[[], CreateStore],
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self.me: Final = me
        self.why = "unavailable"
        self.beaten_at = 0.0
        self._open: Final = open_store
        self._clock: Final = clock
        self._emit: Final = emit
        self._store: CreateStore | None = None
        self._executor: Executor | None = None
        self._due: deque[Due] = deque()
        self._written: deque[Written] = deque(maxlen=MOST_WAITING)
        self._running: asyncio.Future[list[object]] | None = None
        self._since = 0.0  # when what the thread does was begun
        self._closed_until = 0.0
        self._trouble = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Do what is due meanwhile."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-creates") as executor:
            self._executor = executor
            try:
                yield
            finally:
                self._executor = None
                executor.submit(self._close)

    # --- asked about it --------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the store is asked now: it has not failed just before."""
        return self._executor is not None and self._clock() >= self._closed_until

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due."""
        return not self._due

    @property
    def has_written(self) -> bool:
        """Whether there is something to say beside what is due."""
        return bool(self._written)

    @property
    def busy_seconds(self) -> float:
        """For how long it is at what it does; 0.0 where it does nothing."""
        return 0.0 if self._running is None else self._clock() - self._since

    # --- given something to do -------------------------------------------------------------

    def add(self, work: Work, *, waits: bool = True) -> Due:
        """Do this after what is due; ``waits``: somebody waits for what comes of it."""
        waiter = asyncio.get_running_loop().create_future() if waits else None
        due = Due(work, waiter)
        if self._clock() < self._closed_until:
            self._put_off([due])
        else:
            self._due.append(due)
        while len(self._due) > MOST_WAITING:
            self._due.popleft().settle(NOT_DONE)
        self.begin()
        return due

    def add_written(self, operation: Written) -> None:
        """Say this with what is due next."""
        self._written.append(operation)

    def beat(self) -> None:
        """Say that this process lives, and what is to be said beside."""
        if self._written:
            self._say_written()
            self.begin()
        else:
            self.add(lambda store: store.apply(self.me, []), waits=False)

    async def take_leave(self) -> None:
        """Say what is left to say, and that this process ends."""
        self._say_written()
        await self._quiet()
        if not self._due:  # else its processes will be found silent
            self.add(lambda store: store.leave(self.me), waits=False)
            await self._quiet()

    def _say_written(self) -> None:
        self._due.extend(Due(each) for each in self._written)
        self._written.clear()

    async def _quiet(self) -> None:
        """Wait until nothing is due, or the store fails."""
        self.begin()
        while (running := self._running) is not None:
            await asyncio.wait((running,))
            await asyncio.sleep(0)  # what follows from it comes first

    # --- does it ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Let the thread do what is due, unless it is at something, or the store has failed."""
        executor = self._executor
        if self._running is not None or executor is None or not self._due:
            return
        if self._clock() < self._closed_until:
            return
        batch = self._batch()
        self._since = self._clock()
        running = asyncio.get_running_loop().run_in_executor(executor, self._do, batch)
        self._running = running
        running.add_done_callback(lambda done: self._on_done(done, batch))

    def _batch(self) -> list[Due]:
        """Operations that come together, or one thing else."""
        batch: list[Due] = []
        while self._due and len(batch) < MOST_TOGETHER:
            if callable(self._due[0].work):
                if not batch:
                    batch.append(self._due.popleft())
                break
            batch.append(self._due.popleft())
        if not callable(batch[0].work):
            while self._written and len(batch) < 2 * MOST_TOGETHER:
                batch.append(Due(self._written.popleft()))
        return batch

    def _do(self, batch: Sequence[Due]) -> list[object]:
        """Do what is due; in the thread."""
        work = batch[0].work
        if callable(work):
            return [work(self._opened())]
        operations = [each.work for each in batch if not callable(each.work)]
        return list(self._opened().apply(self.me, operations))

    def _on_done(self, done: asyncio.Future[list[object]], batch: Sequence[Due]) -> None:
        self._running = None
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._on_failed(error, batch)
        else:
            self.beaten_at = self._clock()
            self._note_trouble("")
            for each, result in zip(batch, done.result(), strict=True):
                each.settle(result)
        self.begin()

    def _on_failed(self, error: BaseException | None, batch: Sequence[Due]) -> None:
        older = isinstance(error, OlderSchemaError)
        self.why = "older_schema" if older else "unavailable"
        wait = PATIENT_SECONDS if older else RETRY_SECONDS
        self._closed_until = self._clock() + wait
        due = [*batch, *self._due]
        self._due.clear()
        self._put_off(due)
        if isinstance(error, HeadgateError) or error is None:
            self._note_trouble(str(error or "it was not asked to the end"))
        else:
            self._note_trouble(f"a defect of the gate: {error!r}")

    def _put_off(self, due: Sequence[Due]) -> None:
        """Keep those of the changes that others are to know of, until the store is back."""
        for each in due:
            each.settle(NOT_DONE)
            is_change = not callable(each.work) and not isinstance(each.work, Enter)
            if is_change and self.why != "older_schema":
                self._due.append(Due(each.work))

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            if not trouble:
                self._emit(CreatesShared())
            elif not self._trouble:
                self._emit(CreatesNotShared(trouble))
            self._trouble = trouble

    def _opened(self) -> CreateStore:
        if self._store is None:
            self._store = self._open()
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()
