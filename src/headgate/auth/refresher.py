"""Keeps the keys in memory in step with the store, so that no request has to ask it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, TypeVar

from headgate.auth.keyring import Keyring, KeyRow
from headgate.errors import HeadgateError
from headgate.policy import Roles

log = logging.getLogger("headgate.auth")

_Result = TypeVar("_Result")


class KeySource(Protocol):
    """Where keys are kept.

    Both methods may block.  Calls never overlap, but come from two threads: first the one that
    loads, then the one that looks for changes.
    """

    def data_version(self) -> Hashable:
        """A value that differs from the one before if any key changed since; cheap.

        Raises:
            HeadgateError: the source cannot be read.
        """
        ...

    def records(self) -> Sequence[KeyRow]:
        """Every key, revoked and expired ones too.

        Raises:
            HeadgateError: the source cannot be read.
        """
        ...


class Refresher:
    """Carries changes of a ``KeySource`` into an authenticator.

    ``install`` receives each new keyring.  ``interval`` is the seconds between two looks: what a
    revoked or expired key may still be good for.  ``clock`` gives seconds since the epoch.

    While the source cannot be read the last keyring stays in use.  ``report`` is told once, with
    the error, and once again, with ``None``, when the source is back.

    ``roles`` say what the keys may do; ``None``: those built in.  A role that a key has and that
    they do not know grants nothing, which is logged once.
    """

    def __init__(
        self,
        source: KeySource,
        install: Callable[[Keyring], None],
        *,
        interval: float,
        clock: Callable[[], float],
        report: Callable[[HeadgateError | None], None],
        roles: Roles | None = None,
    ) -> None:
        self._source = source
        self._install = install
        self._interval = interval
        self._clock = clock
        self._report = report
        self._keyring = Keyring.empty(roles)
        self._missing: frozenset[tuple[str, str]] = frozenset()
        self._seen: Hashable = None
        self._trouble: str | None = None

    def load(self) -> None:
        """Read the source for the first time, before the gate takes requests.

        Raises:
            HeadgateError: the source cannot be read.
        """
        self._take(self._look())

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
        self._offer(self._keyring.at(self._clock()))

    def _look(self) -> tuple[Hashable, Sequence[KeyRow]] | None:
        """The source's version and keys, or ``None`` if they are those already taken."""
        # The version first: a change between the two reads is then seen again by the next look,
        # the other way round it would be missed.
        version = self._source.data_version()
        return None if version == self._seen else (version, self._source.records())

    def _take(self, found: tuple[Hashable, Sequence[KeyRow]] | None) -> None:
        if found is not None:
            self._seen, rows = found
            self._offer(self._keyring.with_rows(rows, self._clock()))

    def _offer(self, keyring: Keyring) -> None:
        if keyring is not self._keyring:
            self._keyring = keyring
            self._install(keyring)
            self._log_missing(keyring)

    def _log_missing(self, keyring: Keyring) -> None:
        missing = set()
        for holder, role in keyring.missing_roles(self._clock()):
            missing.add((holder.key_id, role))
            if (holder.key_id, role) not in self._missing:
                log.warning(
                    "the key '%s' (%s) has the role '%s', which the configuration has not: it "
                    "grants nothing",
                    holder.name,
                    holder.key_id,
                    role,
                )
        self._missing = frozenset(missing)

    def _note(self, error: HeadgateError | None) -> None:
        trouble = None if error is None else str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            self._report(error)


async def _finished(executor: Executor, work: Callable[[], _Result]) -> _Result:
    """What ``work`` returns; a cancelled caller too leaves only when the thread is done."""
    running = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        raise
