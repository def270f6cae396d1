"""Keeps the signing keys of one issuer up to date, off the request path.

They are fetched in a thread: name look-ups, TLS and the reading of keys take their time.  What was
fetched last stays in use while the issuer cannot be reached, however long that takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.auth.tokens.key_set import KeySet
from headgate.auth.tokens.key_source import KeySource
from headgate.errors import HeadgateError
from headgate.events import (
    Emit,
    IssuerKeysChanged,
    IssuerKeysReadable,
    IssuerKeysUnreadable,
    IssuerKeyUnusable,
)
from headgate.tasks import FairTimeout, Tasks

WAIT_SECONDS: Final = 5.0
"""How long a request waits for keys."""
GIVE_UP_SECONDS: Final = 30.0
"""How long a fetch may take altogether, with its name look-ups and both documents."""
_BETWEEN_FETCHES: Final = 30.0
"""Shortest pause between two fetches that unknown keys of tokens cause."""
_BETWEEN_FIRST_FETCHES: Final = 5.0
"""The same while there are no keys at all."""
_BETWEEN_READS: Final = 1.0
"""The same for a file."""
_RETRY: Final = (1.0, 30.0)
_RETRY_WITH_KEYS: Final = (15.0, 300.0)
"""First and longest pause after failures, which doubles each time."""

Version = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class IssuerStatus:
    """How the keys of an issuer stand, for the health page.

    Attributes:
        name: of the issuer in the configuration.
        issuer: ``iss``.
        source: where the keys come from.
        keys: how many there are.
        age_seconds: since they were fetched; ``None``: never.
        failing: why they cannot be fetched now; ``None``: they can.
        unusable: the keys that are left out, each with its reason.
    """

    name: str
    issuer: str
    source: str
    keys: int
    age_seconds: float | None
    failing: str | None
    unusable: tuple[str, ...]


class IssuerKeys:
    """The keys of one issuer.

    Args:
        name: of the issuer in the configuration.
        source: where the keys are.
        interval: seconds between two fetches.
        tasks: run the fetches.
        emit: takes the events.
        clock: seconds since the epoch.
        monotonic: seconds since an arbitrary start.
        on_change: called with the name when the keys have changed.
        spread: by which factor an interval is longer or shorter than the other.

    Attributes:
        known: the keys that were read last; ``None``: none yet.
        failing: why they could not be read the last time; ``None``: they could.
        fetched_at: when they were read last, in seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        source: KeySource,
        interval: float,
        tasks: Tasks,
        emit: Emit,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        on_change: Callable[[str], None],
        spread: Callable[[], float] = lambda: random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        self.name = name
        self.source = source
        self.known: KeySet | None = None
        self.failing: str | None = None
        self.fetched_at: float | None = None
        self._interval = interval
        self._tasks = tasks
        self._emit = emit
        self._clock = clock
        self._monotonic = monotonic
        self._on_change = on_change
        self._spread = spread
        self._wanted_since = clock()
        self._running: asyncio.Future[None] | None = None
        self._attempted = -math.inf
        self._due = -math.inf
        self._failures = 0
        self._version: Version = None

    def restore(self, known: KeySet, fetched_at: float) -> None:
        """Begin with keys that another process has read."""
        self.known, self.fetched_at = known, fetched_at

    def reschedule(self, interval: float) -> None:
        """Fetch at another interval from now on."""
        if interval != self._interval:
            self._interval = interval
            self._due = min(self._due, self._monotonic() + interval * self._spread())

    def age(self) -> float | None:
        """Seconds since the keys were read; ``None``: never."""
        return None if self.fetched_at is None else max(0.0, self._clock() - self.fetched_at)

    def waited(self) -> float:
        """Seconds since the keys were read, or since they were first wanted."""
        since = self._wanted_since if self.fetched_at is None else self.fetched_at
        return max(0.0, self._clock() - since)

    def status(self, issuer: str) -> IssuerStatus:
        """How they stand."""
        known = self.known
        return IssuerStatus(
            self.name,
            issuer,
            self.source.place,
            0 if known is None else len(known.keys),
            self.age(),
            self.failing,
            () if known is None else known.unusable,
        )

    def may_fetch(self) -> bool:
        """Whether a token whose key is not known may wait for a fetch."""
        return self._running is not None or self.retry_after() <= 0

    def retry_after(self) -> int:
        """Whole seconds until ``may_fetch``."""
        pause = _BETWEEN_FETCHES if self.known is not None else _BETWEEN_FIRST_FETCHES
        if self.source.file is not None:
            pause = _BETWEEN_READS
        rest = self._attempted + pause - self._monotonic()
        return math.ceil(rest) if rest > 0 else 0

    async def fetched(self) -> None:
        """Wait a moment for a fetch: the one under way, or a new one."""
        running = self.begin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.shield(running)

    def look(self) -> None:
        """Begin a fetch if one is due."""
        file = self.source.file
        if file is not None and self._monotonic() >= self._attempted + _BETWEEN_READS:
            version = _version(file)
            if version != self._version or self.failing is not None:
                self._version = version
                self.begin()
        elif file is None and self._monotonic() >= self._due:
            self.begin()

    def begin(self) -> asyncio.Future[None]:
        """Begin a fetch unless one is under way; the result comes when it has ended."""
        if self._running is None:
            self._attempted = self._monotonic()
            self._running = asyncio.get_running_loop().create_future()
            self._tasks.start(self._fetch(self._running), f"fetch the keys of {self.name}")
        return self._running

    async def _fetch(self, running: asyncio.Future[None]) -> None:
        try:
            async with FairTimeout(GIVE_UP_SECONDS):
                found = await _in_thread(self.source.read, f"headgate-issuer-{self.name}")
        except HeadgateError as error:
            self._fail(str(error))
        except TimeoutError:
            self._fail(f"{self.source.place} has not responded within {GIVE_UP_SECONDS:g} s")
        else:
            self._take(found)
        finally:
            self._running = None
            if not running.done():
                running.set_result(None)

    def _take(self, found: KeySet) -> None:
        before, self.known = self.known, found
        self.fetched_at = self._clock()
        self._due = self._monotonic() + self._interval * self._spread()
        self._failures = 0
        if self.failing is not None:
            self.failing = None
            self._emit(IssuerKeysReadable(self.name))
        known_before = frozenset() if before is None else before.fingerprints
        if found.fingerprints != known_before:
            added = len(found.fingerprints - known_before)
            removed = len(known_before - found.fingerprints)
            self._emit(IssuerKeysChanged(self.name, len(found.keys), added, removed))
        for each in found.unusable:
            if before is None or each not in before.unusable:
                self._emit(IssuerKeyUnusable(self.name, each))
        self._on_change(self.name)

    def _fail(self, why: str) -> None:
        first, longest = _RETRY if self.known is None else _RETRY_WITH_KEYS
        pause = min(longest, first * 2 ** min(self._failures, 16))
        self._due = self._monotonic() + pause * self._spread()
        self._failures += 1
        if why != self.failing:
            self._emit(IssuerKeysUnreadable(self.name, why, self.known is not None))
        self.failing = why


def _version(file: Path) -> Version:
    """What changes whenever the file is written or replaced."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


async def _in_thread(work: Callable[[], KeySet], name: str) -> KeySet:
    """What ``work`` returns, which runs in a thread that holds up no exit of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[KeySet] = loop.create_future()

    def run() -> None:
        found: KeySet | None = None
        failure: BaseException | None = None
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, found, failure)

    def deliver(found: KeySet | None, failure: BaseException | None) -> None:
        if done.done():
            return
        if failure is not None:
            done.set_exception(failure)
        elif found is not None:
            done.set_result(found)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
