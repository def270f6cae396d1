"""Keeps the keys in memory in step with the store, so that no request has to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from headgate.auth.keys.announcer import Announcer
from headgate.auth.keys.break_glass import BreakGlassKeys
from headgate.auth.keys.expiry import ExpiryWatch
from headgate.auth.keys.intake import Intake
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.left import KeepNothing, KeysKeeper, LeftKeys
from headgate.auth.keys.looks import Looks
from headgate.auth.keys.use_writer import UseWriter
from headgate.auth.uses import Use
from headgate.errors import HeadgateError
from headgate.events import (
    BreakGlassUsed,
    Emit,
    Event,
    KeysStale,
    KeyStoreAwaited,
    KeyStoreReadable,
    KeyStoreUnreadable,
    UsesNotKept,
)
from headgate.policy import Roles
from headgate.stores.identity import Changes, IdentitySource, Position, StoreUnreachableError
from headgate.tasks import to_the_end

TICK_SECONDS: Final = 0.5
SWEEP_SECONDS: Final = 30.0
FLUSH_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class KeysStatus:
    """How the keys stand, for the health page.

    Attributes:
        active: how many keys are accepted now.
        age_seconds: since the source was last read, or found unchanged; ``None``: never.
        failing: why it cannot be read now; ``None``: it can.
        unreadable: the keys that cannot be used, each with its reason.
        expiring: how many keys are close to their end (``auth.keys.notice``).
        refused: whether every key of the store is refused, since its age is above
            ``auth.max_stale`` or it was never read.
        awaited: whether no key at all is accepted until the store is read for the first time.
    """

    active: int
    age_seconds: float | None
    failing: str | None
    unreadable: tuple[str, ...]
    expiring: int = 0
    refused: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look at the source has found, and when it began."""

    changes: Changes | None
    at: float
    events: Sequence[Event] = ()


class Refresher:
    """Carries changes of an ``IdentitySource`` into a keyring.

    While the source cannot be read the last keys stay in use, up to the keyring's limit.

    Args:
        source: where the keys are.
        keyring: what they are taken into.
        changed: called whenever a key that was accepted may mean something else.
        interval: seconds between two looks, for which a revoked key may still be accepted.
        clock: seconds since the epoch.
        emit: takes the events.
        keep: receives what was read, each time.
        left: what another process had in force: it is used at first.
        before_reading: called in the thread that reads, before each look, until it returns without
            an error; the events that it returns are emitted.
        inspect: is shown all keys when they are read for the first time.
        break_glass: the keys of the configuration for emergencies.
        looks: where requests wait for the looks; ``None``: none does.
        announces: whether to emit what was added and changed, and which keys are close to their
            end; one worker is enough.
        show: called with each tick with the age of the keys in seconds, or how long none could be
            read; how many are close to their end; and the seconds until the first one expires,
            infinite if none does.
        tick: seconds between two times at which what is due by the clock is done.

    ``is_alone``: nobody is let in but by keys.
    """

    def __init__(
        self,
        source: IdentitySource,
        keyring: Keyring,
        changed: Callable[[], None],
        *,
        interval: float,
        clock: Callable[[], float],
        emit: Emit,
        keep: KeysKeeper | None = None,
        left: LeftKeys | None = None,
        before_reading: Callable[[], Sequence[Event]] | None = None,
        inspect: Callable[[Changes], None] | None = None,
        break_glass: BreakGlassKeys | None = None,
        looks: Looks | None = None,
        announces: bool = True,
        show: Callable[[float, int, float], None] = lambda _age, _expiring, _first_end: None,
        tick: float = TICK_SECONDS,
    ) -> None:
        self._source: Final = source
        self._keyring: Final = keyring
        self._changed: Final = changed
        self._interval: Final = interval
        self._clock: Final = clock
        self._emit: Final = emit
        self._keep: Final = keep if keep is not None else KeepNothing()
        self._left: Final = left
        self._before_reading = before_reading
        self._inspect = inspect
        self._break_glass: Final = break_glass
        self._are_awaited: Final = looks is not None
        self._looks: Final = looks if looks is not None else Looks(clock)
        self._show: Final = show
        self._tick_seconds: Final = tick
        self._intake: Final = Intake(keyring, emit, Announcer(emit) if announces else None)
        self._expiry: Final = ExpiryWatch(keyring, emit if announces else None)
        self._uses: Final = UseWriter(FLUSH_SECONDS)
        self.is_alone = True
        self._position: Position | None = None
        self._trouble: str | None = None
        self._uses_trouble: str | None = None
        self._compared_at: float | None = None
        self._began: Final = clock()
        self._is_stale = self._said_stale = False
        self._must_review = False
        self._swept_at = -SWEEP_SECONDS

    # --- the start --------------------------------------------------------------------------

    def load(self) -> None:
        """Take in the keys for the first time, before the gate takes requests.

        Without keys that another worker has left, and with a source that cannot be reached, there
        are none for now.

        Raises:
            HeadgateError: the source cannot be read, and that would not pass by itself.
        """
        if self._left is not None:
            _exhaust(self._intake.take(self._left.changes, self._clock()))
            self._position = self._left.changes.position
            self._set_compared(self._left.compared_at)
            self._keep.write(self._left.changes)
        try:
            found = self._look()
        except StoreUnreachableError as error:
            if self._left is None:
                self._trouble = str(error)
                self._emit(KeyStoreAwaited(self._trouble))
            else:
                self._note(error)
        except HeadgateError as error:
            if self._left is None:
                raise
            self._note(error)
        else:
            if found.changes is not None:
                self._keep.write(found.changes)
            for changed in self._take(found):
                if changed:
                    self._changed()
        self._tick()

    def status(self) -> KeysStatus:
        """How the keys stand now."""
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:  # the clock has jumped
            _exhaust(self._expiry.sweep(now))
        self._keyring.content.settle(now)
        refused = now >= self._keyring.stale_from
        others = self._break_glass is not None and self._break_glass.are_accepted(now)
        return KeysStatus(
            active=self._keyring.content.active,
            age_seconds=self._age(now),
            failing=self._trouble,
            unreadable=self._intake.unreadable,
            expiring=self._expiry.expiring,
            refused=refused,
            awaited=refused and not self._keyring.was_read and self.is_alone and not others,
        )

    def regrant(self, roles: Roles) -> None:
        """From now on the keys may do what ``roles`` say."""
        self._keyring.regrant(roles)
        self._changed()
        self._must_review = True

    async def run(self) -> None:
        """Follow the source until cancelled; then no thread uses it any longer."""
        # A thread of its own: in the loop's default pool, name look-ups that hang could hold up
        # a revocation.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-keys") as executor:
            try:
                if self._are_awaited:
                    self._looks.run()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._follow(executor))
                    group.create_task(self._tend())
            finally:
                self._looks.stop()
                self._tick()
                if self._trouble is None:
                    await self._flush(executor)

    # --- following the source ---------------------------------------------------------------

    async def _follow(self, executor: Executor) -> None:
        while True:
            await self._looks.pause(self._interval)
            self._looks.begin()
            try:
                await self._look_once(executor)
            except HeadgateError as error:
                self._note(error)
                self._looks.end(fails=True)
                continue
            self._note(None)
            self._looks.end(fails=False)
            if self._uses.is_due(self._clock()):
                await self._flush(executor)

    async def _look_once(self, executor: Executor) -> None:
        """Look at the source, and let what has changed there be in force.

        Raises:
            HeadgateError: it cannot be read.
        """
        found = await to_the_end(executor, self._look)
        changes = found.changes
        if changes is not None:
            await to_the_end(executor, lambda: self._keep.write(changes))
        for changed in self._take(found):
            if changed:
                self._changed()
            await asyncio.sleep(0)

    def _look(self) -> _Found:
        """What has changed since the last look; in the thread that reads."""
        at = self._clock()
        events: Sequence[Event] = ()
        if self._before_reading is not None:
            events = self._before_reading()
            self._before_reading = None
        position = None if self._keep.is_full else self._position
        return _Found(self._source.changes(position), at, events)

    def _take(self, found: _Found) -> Iterable[bool]:
        """Take in what was found, a slice at a time; whether accepted keys have changed."""
        for event in found.events:
            self._emit(event)
        changes = found.changes
        if changes is not None:
            if changes.complete and self._inspect is not None:
                self._inspect(changes)
                self._inspect = None
            broken = self._intake.unreadable
            yield from self._intake.take(changes, self._clock())
            # Which key cannot be read any longer, only a comparison of all of them tells.
            is_partial = not changes.complete and self._intake.unreadable != broken
            self._position = None if is_partial else changes.position
        self._set_compared(found.at)

    def _set_compared(self, at: float) -> None:
        self._compared_at = at
        self._keyring.compared(at)
        self._keep.compared(at)
        if self._looks.compared(at, self._interval):
            self._changed()  # those who are let in without an end are asked again

    def _note(self, error: HeadgateError | None) -> None:
        trouble = None if error is None else str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            self._emit(KeyStoreReadable() if trouble is None else KeyStoreUnreadable(trouble))

    async def _flush(self, executor: Executor) -> None:
        """Write when keys were used."""
        trouble: str | None = None
        while batch := self._uses.batch(self._clock()):
            try:
                await to_the_end(executor, lambda: self._source.record_uses(batch))
            except HeadgateError as error:
                self._uses.put_back(batch)
                trouble = str(error)
                break
        if trouble is not None and trouble != self._uses_trouble:
            self._emit(UsesNotKept(trouble))
        self._uses_trouble = trouble

    # --- what is due by the clock -----------------------------------------------------------

    async def _tend(self) -> None:
        while True:
            self._tick()
            now = self._clock()
            if self._must_review:
                self._must_review = False
                for _ in self._intake.review(now):
                    await asyncio.sleep(0)
            if now - self._swept_at >= SWEEP_SECONDS or now < self._swept_at:
                self._swept_at = now
                for _ in self._expiry.sweep(now):
                    await asyncio.sleep(0)
            await asyncio.sleep(self._tick_seconds)

    def _tick(self) -> None:
        now = self._clock()
        uses = self._keyring.uses.take()
        self._keyring.uses.advance(int(now))
        for use in uses:
            for event in self._emergencies(use):
                self._emit(event)
        self._uses.add(use for use in uses if use.credential in self._keyring.content.by_id)
        self._keyring.content.settle(now)
        is_stale = self._keyring.was_read and now >= self._keyring.stale_from
        if is_stale and not self._is_stale:
            self._changed()  # on connections that stay, too
        elif is_stale and not self._said_stale:  # no look was late, as in a gate that stood still
            self._said_stale = True
            self._emit(KeysStale(self._age(now) or 0.0))
        self._is_stale = is_stale
        self._said_stale = self._said_stale and is_stale
        age = self._age(now)
        age = age if age is not None else now - self._began
        self._show(age, self._expiry.expiring, self._expiry.first_end - now)

    def _emergencies(self, use: Use) -> Iterable[BreakGlassUsed]:
        if self._break_glass is None:
            return ()
        entry = self._keyring.content.by_id.get(use.credential)
        if entry is None:
            return self._break_glass.announce(use)
        if entry.break_glass:
            return self._break_glass.announce_use(use, entry.break_glass)
        return ()

    def _age(self, now: float) -> float | None:
        return None if self._compared_at is None else max(0.0, now - self._compared_at)


def _exhaust(steps: Iterable[object]) -> None:
    for _ in steps:
        pass
