"""Keeps the keys in memory in step with the store, so that no request has to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from headgate.auth.keys.keyring import Keyring
from headgate.errors import HeadgateError
from headgate.events import (
    Emit,
    KeyRevoked,
    KeysGone,
    KeyStoreReadable,
    KeyStoreUnreadable,
    KeyUnusable,
    RoleMissing,
)
from headgate.policy import Roles
from headgate.stores.keys import KeySource, Snapshot
from headgate.stores.records import KeyRecord

NAMED = 10
"""How many keys an event names at most."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class KeysStatus:
    """How the keys stand, for the health page.

    Attributes:
        active: how many keys are accepted now.
        age_seconds: since the source was last read, or found unchanged; ``None``: never.
        failing: why it cannot be read now; ``None``: it can.
        unreadable: the keys that cannot be used, each with its reason.
    """

    active: int
    age_seconds: float | None
    failing: str | None
    unreadable: tuple[str, ...]


class Refresher:
    """Carries changes of a ``KeySource`` into an authenticator.

    While the source cannot be read the last keyring stays in use.  A role that a key has and that
    does not exist grants nothing, which is one event.  So are keys that are revoked, keys that
    cannot be used, keys that are no longer in the source (a store never loses one by itself), and
    a source that cannot be read, and can be read again.

    Args:
        source: where the keys are.
        install: receives each new keyring.
        interval: seconds between two looks, for which a revoked key may still be accepted.
        clock: seconds since the epoch.
        emit: takes the events.
        roles: what the keys may do; ``None``: the built-in roles.
        keep: receives what was read, each time.
        kept: what another process read before: it is used while the source cannot be read at first.
    """

    def __init__(
        self,
        source: KeySource,
        install: Callable[[Keyring], None],
        *,
        interval: float,
        clock: Callable[[], float],
        emit: Emit,
        roles: Roles | None = None,
        keep: Callable[[Sequence[KeyRecord]], None] = lambda _rows: None,
        kept: Sequence[KeyRecord] | None = None,
    ) -> None:
        self._source = source
        self._install = install
        self._interval = interval
        self._clock = clock
        self._emit = emit
        self._keep = keep
        self._kept = kept
        self._keyring = Keyring.empty(roles)
        self._missing: frozenset[tuple[str, str]] = frozenset()
        self._seen: Hashable = None
        self._trouble: str | None = None
        self._unreadable: tuple[str, ...] = ()
        self._looked_at: float | None = None

    def load(self) -> None:
        """Read the source for the first time, before the gate takes requests.

        Raises:
            HeadgateError: the source cannot be read, and nothing was read before.
        """
        try:
            self._take(self._look())
        except HeadgateError as error:
            if self._kept is None:
                raise
            self._note(error)
            self._offer(self._keyring.with_records(self._kept))

    def status(self) -> KeysStatus:
        """How the keys stand now."""
        now = self._clock()
        return KeysStatus(
            active=self._keyring.count_active(now),
            age_seconds=None if self._looked_at is None else max(0.0, now - self._looked_at),
            failing=self._trouble,
            unreadable=self._unreadable,
        )

    def regrant(self, roles: Roles) -> None:
        """From now on the keys may do what ``roles`` say."""
        self._offer(self._keyring.with_roles(roles))

    async def run(self) -> None:
        """Follow the source until cancelled; then no thread uses it any longer."""
        # A thread of its own: in the loop's default pool, name look-ups that hang could hold up
        # a revocation.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-keys") as executor:
            while True:
                await asyncio.sleep(self._interval)
                await self._follow(executor)

    async def _follow(self, executor: Executor) -> None:
        try:
            self._take(await _finished(executor, self._look))
        except HeadgateError as error:
            self._note(error)
        else:
            self._note(None)

    def _look(self) -> tuple[Hashable, Snapshot] | None:
        """The source's version and keys, or ``None`` if they are those already taken."""
        # The version first: a change between the two reads is then seen again by the next look,
        # the other way round it would be missed.
        version = self._source.revision()
        return None if version == self._seen else (version, self._source.snapshot())

    def _take(self, found: tuple[Hashable, Snapshot] | None) -> None:
        now = self._looked_at = self._clock()
        if found is not None:
            self._seen, snapshot = found
            before = self._keyring
            self._offer(before.with_records(snapshot.records))
            self._keep(snapshot.records)
            broken = self._note_unreadable(tuple(map(str, snapshot.unreadable)))
            for each in before.revoked_in(self._keyring, now):
                self._emit(KeyRevoked(each.name, each.id))
            gone = before.gone_from(self._keyring, now)
            if len(gone) > broken:
                self._emit(KeysGone(len(gone), tuple(each.name for each in gone[:NAMED])))

    def _note_unreadable(self, unreadable: tuple[str, ...]) -> int:
        """Emit those that were not emitted yet; how many."""
        new = [each for each in unreadable if each not in self._unreadable]
        for each in new:
            self._emit(KeyUnusable(each))
        self._unreadable = unreadable
        return len(new)

    def _offer(self, keyring: Keyring) -> None:
        if keyring is not self._keyring:
            self._keyring = keyring
            self._install(keyring)
            self._note_missing(keyring)

    def _note_missing(self, keyring: Keyring) -> None:
        missing = set()
        for holder, role in keyring.missing_roles(self._clock()):
            missing.add((holder.id, role))
            if (holder.id, role) not in self._missing:
                self._emit(RoleMissing(holder.name, holder.id, role))
        self._missing = frozenset(missing)

    def _note(self, error: HeadgateError | None) -> None:
        trouble = None if error is None else str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            self._emit(KeyStoreReadable() if trouble is None else KeyStoreUnreadable(trouble))


async def _finished(executor: Executor, work: Callable[[], _Result]) -> _Result:
    """What ``work`` returns; a cancelled caller too leaves only when the thread is done."""
    running = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        raise
