"""Keeps the creates of one worker in the store that gates share.

One thread does what is due there, all that has come meanwhile in one transaction: no request waits
for another's, and the event loop for none.  While the store fails or is slow, creates go on
without it; what the other gates are to know of those that it has is kept until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from headgate.creates import Claim, Place, Response, Verdict
from headgate.creates.places import as_id
from headgate.creates.shared import BEAT_SECONDS, MADE_BYTES, Look, Progress, Row
from headgate.dataplane.shared_creates import IN_STORE, Given, SharedCreates
from headgate.errors import HeadgateError
from headgate.events import CreatesNotShared, CreatesShared, Emit
from headgate.stores.creates import (
    CreateStore,
    Doubt,
    Enter,
    Forget,
    Give,
    Keep,
    Note,
    Operation,
    Release,
    TakeBack,
    Written,
)
from headgate.stores.maintenance import OlderSchemaError

DEFAULT_SECONDS: Final = 2.0
"""How long a request waits for the store where no setting says it."""
RETRY_SECONDS: Final = 2.0
"""After which a store that has failed is asked again."""
PATIENT_SECONDS: Final = 10.0
"""After which one of an older schema is."""
PRUNE_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 1_000.0
"""After the last create: until then old ones are deleted."""
MOST_ROWS: Final = 200_000
"""That the store has before it takes no more: those of a quarter of an hour, at 220 a second."""
MOST_TOGETHER: Final = 100
MOST_WAITING: Final = 10_000
"""Changes that are kept for a store that fails; the oldest are lost."""
LEAVING_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What was given of a create, until its client has it."""

    response: Response
    made: bytes


@dataclass(slots=True)
class _Due:
    """Something to do in the store, and who waits for what comes of it, if anybody does."""

    work: Operation | Callable[[], object]
    waiter: asyncio.Future[Any] | None = None

    def settle(self, result: object) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(result)


class _NotDone:
    """The result of what the store did not do."""


NOT_DONE: Final = _NotDone()


class StoreCreates(SharedCreates):
    """``SharedCreates`` in a store.

    Args:
        me: this process, as others are to know it.
        open_store: opens the store; called in the thread.
        is_gone: whether a process is known to have ended, without the store.
        clock: seconds from an arbitrary start.
        emit: takes the events.
        count: counts a create that the store has not taken, by why.
        timeout: for how many seconds a request waits for the store, each time that it does;
            ``None`` while no create is to be shared.
    """

    def __init__(
        self,
        me: str,
        open_store: Callable[[], CreateStore],
        is_gone: Callable[[str], bool],
        clock: Callable[[], float],
        emit: Emit,
        count: Callable[[str], None],
        timeout: Callable[[], float | None],
    ) -> None:
        self.me = me
        self._open: Final = open_store
        self._gone: Final = is_gone
        self._clock: Final = clock
        self._emit: Final = emit
        self._count: Final = count
        self._timeout: Final = timeout
        self._store: CreateStore | None = None
        self._executor: Executor | None = None
        self._due: deque[_Due] = deque()
        self._written: deque[_Due] = deque(maxlen=MOST_WAITING)
        self._running: asyncio.Future[list[object]] | None = None
        self._since = 0.0  # when what the thread does was begun
        self._closed_until = 0.0
        self._trouble = ""
        self._why = "unavailable"
        self._rows = 0
        self._under_way: dict[int, Kept | None] = {}
        self._used_at: float | None = None
        self._beaten_at = 0.0
        self._pruned_at = 0.0

    # --- asked by requests -----------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """See ``SharedCreates``."""
        return not self._why_not()

    def miss(self) -> None:
        """See ``SharedCreates``."""
        self._count(self._why_not() or self._why)

    def _why_not(self) -> str:
        if self._executor is None or self._clock() < self._closed_until:
            return self._why
        if self._running is not None and self._clock() - self._since > self._seconds:
            return "slow"
        return "full" if self._rows >= MOST_ROWS else ""

    @property
    def _seconds(self) -> float:
        """How long a request waits for the store, each time that it does."""
        return self._timeout() or DEFAULT_SECONDS

    def now(self) -> float:
        """See ``SharedCreates``."""
        return self._clock()

    async def pause(self, seconds: float) -> None:
        """See ``SharedCreates``."""
        await asyncio.sleep(seconds)

    def is_gone(self, process: str) -> bool:
        """See ``SharedCreates``."""
        return self._gone(process)

    async def enter(self, digest: bytes, *, forced: bool) -> tuple[Look, Place] | None:
        """See ``SharedCreates``."""
        self._used_at = self._clock()
        row = secrets.randbits(62)
        due = self._add(Enter(row, digest, forced))
        try:
            look = await self._within(due)
        except asyncio.CancelledError:
            self._undo(due, row)
            raise
        if not isinstance(look, Look):
            self._undo(due, row)
            self._count("slow" if not due_done(due) else self._why)
            return None
        if look.added:
            self._under_way[row] = None
        return look, Place(IN_STORE, row)

    def _undo(self, due: _Due, row: int) -> None:
        """Nobody waits for a row any more that is perhaps added still, or was after all."""

        def forget(_done: asyncio.Future[Any]) -> None:
            self._add(Forget(row), waits=False)

        assert due.waiter is not None  # noqa: S101 - it was added with one
        due.waiter.add_done_callback(forget)

    async def claim(self, row: Row) -> bool:
        """See ``SharedCreates``."""
        due = self._add(lambda: self._opened().claim(self.me, row.id, row.claimer))
        try:
            claimed = await self._within(due)
        except asyncio.CancelledError:
            self._add(Release(row.id), waits=False)
            raise
        if claimed is not True:
            if not due_done(due):
                self._add(Release(row.id), waits=False)
            return False
        self._under_way[row.id] = None
        return True

    async def progress(self, claim: Claim) -> Progress | None:
        """See ``SharedCreates``."""
        row = claim.place.serial
        gone = _Gone(self._gone)
        found = await self._within(self._add(lambda: self._opened().progress(self.me, row, gone)))
        return found if isinstance(found, Progress) else None

    async def join(self, claim: Claim, digest: bytes, found: list[str]) -> tuple[Verdict, int]:
        """See ``SharedCreates``."""
        ids = [short(each) for each in found]
        row, gone = claim.place.serial, _Gone(self._gone)
        result = await self._within(
            self._add(lambda: self._opened().join(self.me, row, digest, ids, gone))
        )
        if not isinstance(result, tuple):
            return Verdict.OPEN, 0
        verdict, made = result
        return verdict, ids.index(made) if made else 0

    def give(
        self, place: Place, digest: bytes, response: Response, made: str
    ) -> Coroutine[Any, Any, Given]:
        """See ``SharedCreates``."""
        kept = Kept(response, short(made) if made else b"")
        self._under_way[place.serial] = kept
        return self._given(place.serial, self._add(Give(place.serial, digest, kept.made)))

    async def _given(self, row: int, due: _Due) -> Given:
        allowed = await self._within(due)
        if allowed is True:
            return Given.YES
        if allowed is False:
            kept = self._under_way.pop(row, None)
            if kept is not None:  # it is of use to the process that has claimed it
                self._add(Keep(row, kept.response, kept.made), waits=False)
            return Given.NO
        self._count("unavailable" if due_done(due) else "slow")
        return Given.UNKNOWN

    # --- told by requests ------------------------------------------------------------------

    def note(self, digest: bytes, made: str) -> None:
        """See ``SharedCreates``."""
        if made:
            self._add(Note(secrets.randbits(62), digest, short(made)), waits=False)

    def keep(self, place: Place, response: Response, made: str) -> bool:
        """See ``Notes``."""
        self._end(place, Keep(place.serial, response, short(made) if made else b""))
        return True

    def leave(self, place: Place) -> None:
        """See ``Notes``."""
        self._add(Doubt(place.serial, awaited=True), waits=False)

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """See ``Notes``."""
        self._end(place, Doubt(place.serial, awaited=False, failed=status >= 500))

    def forget(self, place: Place) -> None:
        """See ``Notes``."""
        self._end(place, Forget(place.serial))

    def written(self, place: Place) -> None:
        """See ``Notes``; it is said with what is due next."""
        self._under_way.pop(place.serial, None)
        self._written.append(_Due(Written(place.serial)))

    def unwritten(self, place: Place) -> None:
        """See ``Notes``."""
        kept = self._under_way.get(place.serial)
        if kept is not None:
            self._end(place, TakeBack(place.serial, kept.response, kept.made))

    def release(self, claim: Claim) -> None:
        """See ``Notes``."""
        self._end(claim.place, Release(claim.place.serial))

    def _end(self, place: Place, operation: Operation) -> None:
        self._under_way.pop(place.serial, None)
        self._add(operation, waits=False)

    # --- the thread ------------------------------------------------------------------------

    def _add(self, work: Operation | Callable[[], object], *, waits: bool = True) -> _Due:
        waiter = asyncio.get_running_loop().create_future() if waits else None
        due = _Due(work, waiter)
        self._due.append(due)
        while len(self._due) > MOST_WAITING:
            self._due.popleft().settle(NOT_DONE)
        self._begin()
        return due

    async def _within(self, due: _Due) -> object:
        """What comes of it in time."""
        assert due.waiter is not None  # noqa: S101 - it was added with one
        await asyncio.wait((due.waiter,), timeout=self._seconds)
        return due.waiter.result() if due.waiter.done() else NOT_DONE

    def _begin(self) -> None:
        """Let the thread do what is due, unless it is at something, or the store has failed."""
        executor = self._executor
        if self._running is not None or executor is None or not self._due:
            return
        if self._clock() < self._closed_until:
            self._put_off()
            return
        batch = self._batch()
        self._since = self._clock()
        running = asyncio.get_running_loop().run_in_executor(executor, self._do, batch)
        self._running = running
        running.add_done_callback(lambda done: self._on_done(done, batch))

    def _batch(self) -> list[_Due]:
        """Operations that come together, or one thing else."""
        batch: list[_Due] = []
        while self._due and len(batch) < MOST_TOGETHER:
            if callable(self._due[0].work):
                if not batch:
                    batch.append(self._due.popleft())
                break
            batch.append(self._due.popleft())
        if not callable(batch[0].work):
            while self._written and len(batch) < 2 * MOST_TOGETHER:
                batch.append(self._written.popleft())
        return batch

    def _do(self, batch: Sequence[_Due]) -> list[object]:
        """Do what is due; in the thread."""
        work = batch[0].work
        if callable(work):
            return [work()]
        operations = [each.work for each in batch if not callable(each.work)]
        return list(self._opened().apply(self.me, operations))

    def _on_done(self, done: asyncio.Future[list[object]], batch: Sequence[_Due]) -> None:
        self._running = None
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._on_failed(error, batch)
        else:
            self._beaten_at = self._clock()
            self._note_trouble("")
            for each, result in zip(batch, done.result(), strict=True):
                each.settle(result)
        self._begin()

    def _on_failed(self, error: BaseException | None, batch: Sequence[_Due]) -> None:
        older = isinstance(error, OlderSchemaError)
        self._why = "older_schema" if older else "unavailable"
        wait = PATIENT_SECONDS if older else RETRY_SECONDS
        self._closed_until = self._clock() + wait
        self._due.extendleft(reversed(batch))
        self._put_off()
        if isinstance(error, HeadgateError) or error is None:
            self._note_trouble(str(error or "it was not asked to the end"))
        else:
            self._note_trouble(f"a defect of the gate: {error!r}")

    def _put_off(self) -> None:
        """Keep the changes that others are to know of; for all else nobody waits long enough."""
        kept = [
            each
            for each in self._due
            if not callable(each.work) and not isinstance(each.work, Enter)
        ]
        for each in self._due:
            each.settle(NOT_DONE)
        self._due.clear()
        if self._why != "older_schema":
            self._due.extend(_Due(each.work) for each in kept)

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

    # --- beside them -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the store up until cancelled; then say what is left to say, and leave."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-creates") as executor:
            self._executor = executor
            if self._timeout() is not None:  # no create is to wait for the connection
                self._used_at = self._clock()
                self._beat()
            try:
                while True:
                    await asyncio.sleep(BEAT_SECONDS / 2)
                    self._upkeep()
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEAVING_SECONDS):
                        await self._take_leave()
                self._executor = None
                executor.submit(self._close)

    def _upkeep(self) -> None:
        now = self._clock()
        if self._used_at is None or self._clock() < self._closed_until:
            return
        lives = self._under_way or self._written
        if lives and now - self._beaten_at >= BEAT_SECONDS and not self._due:
            self._beat()
        elif now - self._pruned_at >= PRUNE_SECONDS and now - self._used_at < IDLE_SECONDS:
            self._pruned_at = now
            self._add(self._prune, waits=False)
        self._begin()

    def _beat(self) -> None:
        """Say that this process lives, and what is to be said beside."""
        said = [each.work for each in self._written if not callable(each.work)]
        self._written.clear()
        self._due.extend(_Due(each) for each in said)
        if not said:
            self._add(lambda: self._opened().apply(self.me, []), waits=False)
        self._begin()

    def _prune(self) -> None:
        self._rows = self._opened().prune()

    async def _take_leave(self) -> None:
        if self._used_at is None:
            return
        self._due.extend(self._written)
        self._written.clear()
        await self._quiet()
        if not self._due:  # else its processes will be found silent
            self._add(lambda: self._opened().leave(self.me), waits=False)
            await self._quiet()

    async def _quiet(self) -> None:
        """Wait until nothing is due, or the store fails."""
        self._begin()
        while (running := self._running) is not None:
            await asyncio.wait((running,))
            await asyncio.sleep(0)  # what follows from it comes first

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def due_done(due: _Due) -> bool:
    """Whether something has come of it."""
    return due.waiter is not None and due.waiter.done()


def short(made: str) -> bytes:
    """What is kept of an id."""
    return hashlib.sha256(as_id(made)).digest()[:MADE_BYTES]


class _Gone:
    """The processes that are known to have ended: a collection that asks."""

    def __init__(self, is_gone: Callable[[str], bool]) -> None:
        self._is_gone = is_gone

    def __contains__(self, process: object) -> bool:
        return isinstance(process, str) and self._is_gone(process)
