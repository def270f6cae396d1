"""Creates that several gates know of: what a request does before it is sent, and after.

The store is asked before a create is sent to MLflow, and before its response is given to its
client.  Who keeps the store is given here; it never lets a request wait for longer
than it says, and a create that the store does not take in time goes on without it.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from mypy_extensions import mypyc_attr

from headgate.creates import Claim, Place, Response, Verdict
from headgate.creates.shared import (
    SILENT_SECONDS,
    Judgement,
    Look,
    Progress,
    Row,
    judge,
)
from headgate.dataplane.call import CallError
from headgate.dataplane.creates import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Asked,
    CreateFinder,
    Resolution,
)
from headgate.events import Reconciled

LOOK_PAUSE: Final = 0.1
"""Seconds between two looks at creates that may have lost their client."""
LONGEST_WAIT: Final = 2 * SILENT_SECONDS
"""Seconds after which a create is sent, whatever is known of others that are alike."""
IN_STORE: Final = -1
"""The index of places in the store."""


class Given(enum.Enum):
    """Whether a response may be given to a client.

    ``UNKNOWN``: the store does not say in time.
    """

    YES = enum.auto()
    NO = enum.auto()
    UNKNOWN = enum.auto()


@mypyc_attr(allow_interpreted_subclasses=True)
class SharedCreates:
    """The creates that gates share; takes down what becomes of one: see ``Notes``.

    No method waits for longer than ``creates.store_timeout`` for the store; a place has the id of a
    row for its serial number.
    """

    me: str

    @property
    @abstractmethod
    def is_up(self) -> bool:
        """Whether there is a point in asking."""

    @abstractmethod
    def miss(self) -> None:
        """A create goes on without the store, which was not asked: count it."""

    @abstractmethod
    def now(self) -> float:
        """Seconds from an arbitrary start."""

    @abstractmethod
    async def pause(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    def is_gone(self, process: str) -> bool:
        """Whether a process is known to have ended, without the store."""

    @abstractmethod
    async def enter(self, digest: bytes, *, forced: bool) -> tuple[Look, Place] | None:
        """Look, and add a row if there is none alike, or if ``forced``; ``None``: not in time."""

    @abstractmethod
    async def claim(self, row: Row) -> bool:
        """Claim a create; whether nobody else was faster."""

    @abstractmethod
    async def progress(self, claim: Claim) -> Progress | None:
        """How a claimed create stands; ``None``: there is nothing to wait for, or nobody says."""

    @abstractmethod
    async def join(self, claim: Claim, digest: bytes, found: list[str]) -> tuple[Verdict, int]:
        """Take one of the things that MLflow has, by their ids: which of them."""

    @abstractmethod
    def give(
        self, place: Place, digest: bytes, response: Response, made: str
    ) -> Coroutine[Any, Any, Given]:
        """The response is about to be given to a client; what is returned says whether it may be.

        ``unwritten`` takes it back, also before that is known.
        """

    @abstractmethod
    def note(self, digest: bytes, made: str) -> None:
        """A create that the store did not take in time was given out."""

    @abstractmethod
    def keep(self, place: Place, response: Response, made: str) -> None:
        """See ``Notes``."""

    @abstractmethod
    def leave(self, place: Place) -> None:
        """See ``Notes``."""

    @abstractmethod
    def abandon(self, place: Place, *, status: int = 0) -> None:
        """See ``Notes``."""

    @abstractmethod
    def forget(self, place: Place) -> None:
        """See ``Notes``."""

    @abstractmethod
    def written(self, place: Place) -> None:
        """See ``Notes``."""

    @abstractmethod
    def unwritten(self, place: Place) -> None:
        """See ``Notes``."""

    @abstractmethod
    def release(self, claim: Claim) -> None:
        """See ``Notes``."""


class Entry(NamedTuple):
    """What a create is, that is about to be sent.

    Attributes:
        place: of a new one; ``None`` with no claim: the store does not take it.
        claim: of one in doubt, which it repeats.
        response: to that, if it is here.
    """

    place: Place | None = None
    claim: Claim | None = None
    response: Response | None = None


async def enter(shared: SharedCreates, digest: bytes) -> Entry:
    """Find out whether a create is a new one, and let the other gates know of it if it is.

    It waits while it is not certain whether those that are alike have their clients: until each of
    their processes has said that it lives, or has been silent for too long.
    """
    first, until = 0.0, shared.now() + LONGEST_WAIT
    while True:
        found = await shared.enter(digest, forced=False)
        if found is None:
            return Entry()
        look, place = found
        if look.added:
            return Entry(place)
        first = first or look.now
        judgement, row = judge(look, first, shared.me, shared.is_gone)
        if row is not None:
            if await shared.claim(row):
                return await _claimed(shared, Claim(Place(IN_STORE, row.id), row.failed))
        elif judgement is Judgement.SEND:
            break
        if shared.now() >= until or not shared.is_up:
            break
        await shared.pause(LOOK_PAUSE)
    return await enter_anyway(shared, digest)


async def _claimed(shared: SharedCreates, claim: Claim) -> Entry:
    """The claim, with the response if that is here."""
    is_taken = False
    try:
        progress = await shared.progress(claim)
        is_taken = True
    finally:
        if not is_taken:  # its client has left in this moment
            shared.release(claim)
    return Entry(None, claim, None if progress is None else progress.response)


async def enter_anyway(shared: SharedCreates, digest: bytes) -> Entry:
    """Let the other gates know of a create, whatever else there is."""
    found = await shared.enter(digest, forced=True)
    return Entry() if found is None else Entry(found[1])


def send_as_new(shared: SharedCreates, claim: Claim, digest: bytes) -> Coroutine[Any, Any, Entry]:
    """Let the other gates know of a create in place of the one in doubt that it repeats.

    That one is forgotten immediately: what is returned may be cancelled before it begins.
    """
    shared.forget(claim.place)
    return enter_anyway(shared, digest)


class SharedSearch:
    """Finds the response to a create in doubt that has been claimed in the store.

    Args:
        shared: the creates.
        claim: the claim.
        digest: of the create.
        asked: what to search for.
        finder: searches.
    """

    def __init__(
        self,
        shared: SharedCreates,
        claim: Claim,
        digest: bytes,
        asked: Asked,
        finder: CreateFinder,
    ) -> None:
        self._shared = shared
        self._claim = claim
        self._digest = digest
        self._asked = asked
        self._finder = finder

    async def resolve(self, is_held: Callable[[], bool]) -> Resolution:
        """Wait for the response while its process does; after that search MLflow.

        ``is_held`` says whether MLflow must not be asked now.
        """
        shared, claim = self._shared, self._claim
        until, pause = 0.0, FIRST_PAUSE
        while True:
            progress = await shared.progress(claim)
            if progress is None:
                return Resolution(Reconciled.NONE)
            if progress.response is not None:
                return Resolution(Reconciled.RESPONSE, progress.response)
            if is_held():
                await shared.pause(LONGEST_PAUSE)
                return Resolution(Reconciled.HELD)
            if not progress.awaited:
                now = shared.now()
                until = until or now + (0.0 if claim.failed else self._finder.patience)
                resolution = await self._search()
                is_final = resolution.result in (Reconciled.REFUSED, Reconciled.RUN)
                if is_final or shared.now() >= until:
                    return resolution
            await shared.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _search(self) -> Resolution:
        """Search once, and take what may be taken."""
        try:
            found = await self._finder.find(self._asked)
        except CallError:
            return Resolution(Reconciled.UNKNOWN)
        if found is None:
            return Resolution(Reconciled.REFUSED)
        ids = [name for name, _ in found]
        verdict, index = await self._shared.join(self._claim, self._digest, ids)
        if verdict is not Verdict.JOINED:
            is_none = verdict is Verdict.NONE
            return Resolution(Reconciled.NONE if is_none else Reconciled.SEVERAL)
        body = found[index][1]
        lines = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        return Resolution(Reconciled.RUN, Response(200, lines, body))
