"""Keeps the creates of one worker in the store that gates share.

What requests ask and say of the store goes to its thread (``create_store_thread.py``), and no
request waits for longer than the settings say: while the store fails or is slow, creates go on
without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from headgate.creates import Claim, Place, Response, Verdict
from headgate.creates.places import as_id
from headgate.creates.shared import BEAT_SECONDS, MADE_BYTES, Look, Progress, Row
from headgate.dataplane.shared_creates import IN_STORE, Given, SharedCreates
from headgate.events import Emit
from headgate.runtime.create_store_thread import CreateStoreThread, Due
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

DEFAULT_SECONDS: Final = 2.0
"""How long a request waits for the store where no setting says it."""
PRUNE_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 1_000.0
"""After the last create: until then old ones are deleted."""
MOST_ROWS: Final = 200_000
"""That the store has before it takes no more: those of a quarter of an hour, at 220 a second."""
LEAVING_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What was given of a create, until its client has it."""

    response: Response
    made: bytes


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
        self._thread: Final = CreateStoreThread(me, open_store, clock, emit)
        self._gone: Final = is_gone
        self._clock: Final = clock
        self._count: Final = count
        self._timeout: Final = timeout
        self._rows = 0
        self._under_way: dict[int, Kept | None] = {}
        self._used_at: float | None = None
        self._pruned_at = 0.0

    # --- asked by requests -----------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """See ``SharedCreates``."""
        return not self._why_not()

    def miss(self) -> None:
        """See ``SharedCreates``."""
        self._count(self._why_not() or self._thread.why)

    def _why_not(self) -> str:
        if not self._thread.is_open:
            return self._thread.why
        if self._thread.busy_seconds > self._seconds:
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
        due = self._thread.add(Enter(row, digest, forced))
        try:
            look = await due.within(self._seconds)
        except asyncio.CancelledError:
            self._undo(due, row)
            raise
        if not isinstance(look, Look):
            self._undo(due, row)
            self._count("slow" if not due.is_done else self._thread.why)
            return None
        if look.added:
            self._under_way[row] = None
        return look, Place(IN_STORE, row)

    def _undo(self, due: Due, row: int) -> None:
        """Nobody waits for a row any more that is perhaps added still, or was after all."""
        due.when_done(lambda: self._add(Forget(row)))

    async def claim(self, row: Row) -> bool:
        """See ``SharedCreates``."""
        due = self._thread.add(lambda store: store.claim(self.me, row.id, row.claimer))
        try:
            claimed = await due.within(self._seconds)
        except asyncio.CancelledError:
            self._add(Release(row.id))
            raise
        if claimed is not True:
            if not due.is_done:
                self._add(Release(row.id))
            return False
        self._under_way[row.id] = None
        return True

    async def progress(self, claim: Claim) -> Progress | None:
        """See ``SharedCreates``."""
        row = claim.place.serial
        gone = _Gone(self._gone)
        due = self._thread.add(lambda store: store.progress(self.me, row, gone))
        found = await due.within(self._seconds)
        return found if isinstance(found, Progress) else None

    async def join(self, claim: Claim, digest: bytes, found: list[str]) -> tuple[Verdict, int]:
        """See ``SharedCreates``."""
        ids = [short(each) for each in found]
        row, gone = claim.place.serial, _Gone(self._gone)
        due = self._thread.add(lambda store: store.join(self.me, row, digest, ids, gone))
        result = await due.within(self._seconds)
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
        give = Give(place.serial, digest, kept.made)
        return self._given(place.serial, self._thread.add(give))

    async def _given(self, row: int, due: Due) -> Given:
        allowed = await due.within(self._seconds)
        if allowed is True:
            return Given.YES
        if allowed is False:
            kept = self._under_way.pop(row, None)
            if kept is not None:  # it is of use to the process that has claimed it
                self._add(Keep(row, kept.response, kept.made))
            return Given.NO
        self._count("unavailable" if due.is_done else "slow")
        return Given.UNKNOWN

    # --- told by requests ------------------------------------------------------------------

    def note(self, digest: bytes, made: str) -> None:
        """See ``SharedCreates``."""
        if made:
            self._add(Note(secrets.randbits(62), digest, short(made)))

    def keep(self, place: Place, response: Response, made: str) -> None:
        """See ``Notes``."""
        self._end(place, Keep(place.serial, response, short(made) if made else b""))

    def leave(self, place: Place) -> None:
        """See ``Notes``."""
        self._add(Doubt(place.serial, awaited=True))

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """See ``Notes``."""
        self._end(place, Doubt(place.serial, awaited=False, failed=status >= 500))

    def forget(self, place: Place) -> None:
        """See ``Notes``."""
        self._end(place, Forget(place.serial))

    def written(self, place: Place) -> None:
        """See ``Notes``; it is said with what is due next."""
        self._under_way.pop(place.serial, None)
        self._thread.add_written(Written(place.serial))

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
        self._add(operation)

    def _add(self, operation: Operation) -> None:
        self._thread.add(operation, waits=False)

    # --- beside them -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the store up until cancelled; then say what is left to say, and leave."""
        with self._thread.running():
            if self._timeout() is not None:  # no create is to wait for the connection
                self._used_at = self._clock()
                self._thread.beat()
            try:
                while True:
                    await asyncio.sleep(BEAT_SECONDS / 2)
                    # A process that was stopped first sees what its clients did meanwhile.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    self._upkeep()
            finally:
                if self._used_at is not None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LEAVING_SECONDS):
                            await self._thread.take_leave()

    def _upkeep(self) -> None:
        now, thread = self._clock(), self._thread
        if self._used_at is None or not thread.is_open:
            return
        lives = self._under_way or thread.has_written
        if lives and now - thread.beaten_at >= BEAT_SECONDS and thread.is_idle:
            thread.beat()
        elif now - self._pruned_at >= PRUNE_SECONDS and now - self._used_at < IDLE_SECONDS:
            self._pruned_at = now
            thread.add(self._prune, waits=False)
        thread.begin()

    def _prune(self, store: CreateStore) -> None:
        self._rows = store.prune()


def short(made: str) -> bytes:
    """What is kept of an id."""
    return hashlib.sha256(as_id(made)).digest()[:MADE_BYTES]


class _Gone:
    """The processes that are known to have ended: a collection that asks."""

    def __init__(self, is_gone: Callable[[str], bool]) -> None:
        self._is_gone = is_gone

    def __contains__(self, process: object) -> bool:
        return isinstance(process, str) and self._is_gone(process)
