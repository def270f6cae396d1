"""What the data plane asks for when a create in doubt is sent again: whether MLflow has it.

The table (``headgate.creates``) says which creates are in doubt; ``headgate.contract`` what they
name; who asks MLflow is given here, by the upstream.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Final, NamedTuple

from mypy_extensions import mypyc_attr

from headgate.contract import Create
from headgate.creates import (
    BusyError,
    Claim,
    CreateTable,
    Notes,
    Place,
    Response,
    Standing,
    Verdict,
)
from headgate.dataplane.call import CallError
from headgate.dataplane.response_checks import JSON
from headgate.events import Reconciled
from headgate.wire.response import Response as WireResponse

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two searches: MLflow may be executing the create that is searched for."""
UNDER_WAY_SECONDS: Final = 60.0
"""How long a create alike is waited for that is under way: what is found may be its."""
SETTLING_SECONDS: Final = 10.0
"""How long it is waited for that other processes say whether their clients are still there."""
PROOF_SECONDS: Final = 0.05
"""How much later than a request they must have looked: until then the end of a connection may be
on its way."""
MAX_CREATE_BYTES: Final = 64 * 1024
"""The longest body of a create that is looked into; MLflow's client sends 1 to 2 KiB."""


@mypyc_attr(allow_interpreted_subclasses=True)
class CreateFinder:
    """Finds in MLflow what a create has made.

    Attributes:
        patience: seconds for which a search is repeated that finds nothing.
        across_gates: whether gates share what they know of these creates.
    """

    patience: float
    across_gates: bool

    @abstractmethod
    async def find(self, asked: Asked) -> list[tuple[str, bytes]] | None:
        """The id and the response's body of each thing that such a create has made.

        ``None``: MLflow refuses to say, or it is too much.

        Raises:
            CallError: MLflow cannot be asked now.
        """


class Asked(NamedTuple):
    """What is searched for.

    Attributes:
        create: what the create names.
        workspace: the one that it is for, if it names one.
        lines: the credentials that MLflow is shown with a request of its sender.
    """

    create: Create
    workspace: bytes | None
    lines: bytes


class Resolution(NamedTuple):
    """What has come of a claim; ``response`` is the one to give, unless it is sent as a new one."""

    result: Reconciled
    response: Response | None = None


def digest_of(*parts: bytes) -> bytes:
    """What two requests have in common that are the same: the SHA-256 of all that tells them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def settle(notes: Notes, place: Place, create: Create, answer: WireResponse, body: bytes) -> None:
    """Note what MLflow has responded to a create.

    A refusal has created nothing.  After a failure that is likely, but not certain: whatever stands
    before MLflow may have given up on it.  That may also have responded with a page of its own,
    which is no response to be given to anybody.
    """
    if answer.status >= 500:
        notes.abandon(place, status=answer.status)
    elif answer.status >= 300:
        notes.forget(place)
    elif (made := create.made_of(body)) or answer.media_type == JSON:
        notes.keep(place, kept_response(answer, body), made)
    else:
        notes.abandon(place, status=answer.status)


def kept_response(answer: WireResponse, body: bytes) -> Response:
    """A whole response as it is kept."""
    lines = answer.lines
    if not answer.delimited:
        lines += b"Content-Length: %d\r\n" % len(body)
    return Response(answer.status, lines, body)


async def resolve(
    table: CreateTable,
    claim: Claim,
    asked: Asked,
    finder: CreateFinder,
    clock: Callable[[], float],
    is_held: Callable[[], bool],
) -> Resolution:
    """Find the response to a create in doubt that has been claimed.

    While the process that sent it still waits for MLflow, its response is waited for; the
    connection of that request bounds the time.  After that MLflow is searched.

    Args:
        table: of the creates.
        claim: the claim.
        asked: what to search for.
        finder: searches.
        clock: seconds from an arbitrary start.
        is_held: says whether MLflow must not be asked now.
    """
    until, pause = 0.0, FIRST_PAUSE
    latest = clock() + UNDER_WAY_SECONDS
    while True:
        kept = table.response(claim)
        if kept is not None:
            return Resolution(Reconciled.RESPONSE, kept)
        if not table.stands(claim):
            return Resolution(Reconciled.NONE)
        if is_held():
            await asyncio.sleep(LONGEST_PAUSE)
            return Resolution(Reconciled.HELD)
        if not table.is_under_way(claim):
            now = clock()
            until = until or now + (0.0 if claim.failed else finder.patience)
            result = await _search(table, claim, asked, finder)
            if result is Reconciled.RUN:
                return Resolution(result, table.response(claim))
            if result is None and now < latest:
                until = 0.0
            elif result in _FINAL or now >= until:
                return Resolution(result or Reconciled.SEVERAL)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def claim_settled(
    table: CreateTable, digest: bytes, clock: Callable[[], float]
) -> Claim | None:
    """Claim a create in doubt, once it shows whether the clients of those alike are still there.

    One that has given up, and opened another connection, is heard of on that one sooner than its
    old one is known to have ended: another worker may have that, and may be late.
    """
    since, until = table.now + PROOF_SECONDS, clock() + SETTLING_SECONDS
    while True:
        with contextlib.suppress(BusyError):
            claim = table.claim(digest)
            if claim is not None:
                return claim
        if table.standing(digest, since) in _SETTLED or clock() >= until:
            return None
        await asyncio.sleep(FIRST_PAUSE)


_SETTLED: Final = (Standing.NONE, Standing.UNDER_WAY)
_RESULTS: Final = {
    Verdict.JOINED: Reconciled.RUN,
    Verdict.NONE: Reconciled.NONE,
    Verdict.SEVERAL: Reconciled.SEVERAL,
}
_FINAL: Final = (Reconciled.REFUSED,)
"""Another search would find the same."""


async def _search(
    table: CreateTable, claim: Claim, asked: Asked, finder: CreateFinder
) -> Reconciled | None:
    """Search once, and take what may be taken; ``None``: it is too early to say what may be."""
    try:
        found = await finder.find(asked)
    except CallError:
        return Reconciled.UNKNOWN
    if found is None:
        return Reconciled.REFUSED
    made = []
    for name, body in found:
        lines = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        made.append((name, Response(200, lines, body)))
    return _RESULTS.get(table.join(claim, made))
