"""Creates that several gates know of: the rows that they share, and what follows from them.

A create has a row from before it is sent to MLflow.  Each row has a *keeper*, the process that
sends it, and perhaps a *claimer*, a process that was sent the same bytes again; both say every half
a second that they live while anything of theirs is under way.  Nothing here trusts a clock of a
gate: the process that gives a response to a client has changed its row before, which only one can,
and all times are those of the store.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headgate.creates.doubts import IN_DOUBT_SECONDS
from headgate.creates.records import Response, Verdict

BEAT_SECONDS: Final = 0.5
"""How often a process says that it lives."""
SILENT_SECONDS: Final = 6.0
"""For how long a process says nothing before it counts as gone: twelve beats."""
PROOF_SECONDS: Final = 0.1
"""How much later than a request a process must have said that it lives: until then it may not
know yet that a client of its own has left."""
SHARED_SECONDS: Final = IN_DOUBT_SECONDS
"""How long a row is of use."""
MADE_BYTES: Final = 12
"""Of the SHA-256 of the id of what was created."""


class RowState(enum.IntEnum):
    """How far a create is.

    ``SENT``: its client waits for it at its keeper.  ``DOUBTFUL``: its client is gone, or its
    keeper, or MLflow's response was lost.  ``KEPT``: so it is, and MLflow's response is here.
    ``WRITING``: the response is being given to a client, which may have it.  ``GIVEN``: it has.
    """

    SENT = 1
    DOUBTFUL = 2
    KEPT = 3
    WRITING = 4
    GIVEN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """What all gates know of one create.

    Attributes:
        id: drawn at random.
        keeper: the process that sends it to MLflow.
        claimer: the process that was sent it again and has claimed it; empty: none.
        state: how far it is.
        awaited: whether the keeper of a doubtful one still waits for MLflow.
        failed: whether MLflow has responded that it failed.
        made: the short form of the id of what was created; empty while that is not known.
    """

    id: int
    keeper: str
    claimer: str
    state: RowState
    awaited: bool
    failed: bool
    made: bytes = b""


@dataclass(frozen=True, slots=True)
class Look:
    """The creates of one digest that have not been given out.

    Attributes:
        now: when this was, by the clock of the store.
        rows: of these creates.
        heard: when each of their processes last said that it lives.
        added: whether the request that looked has a row now, being the only one.
    """

    now: float
    rows: Sequence[Row] = ()
    heard: Mapping[str, float] = field(default_factory=dict)
    added: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How a create stands that a process has claimed.

    Attributes:
        response: MLflow's, once it is here.
        awaited: whether its keeper still waits for it.
    """

    response: Response | None
    awaited: bool


class Judgement(enum.Enum):
    """What a request does that finds creates alike."""

    CLAIM = enum.auto()
    """One is in doubt."""
    WAIT = enum.auto()
    """It is not certain yet that all have their client."""
    SEND = enum.auto()
    """All have their client: this is another create."""


def judge(
    look: Look, first: float, me: str, is_gone: Callable[[str], bool]
) -> tuple[Judgement, Row | None]:
    """What a request does, and the row that it is to claim.

    Args:
        look: what there is now.
        first: when the request looked for the first time, by the clock of the store.
        me: the process that has the request.
        is_gone: whether a process is known to have ended, without the store.
    """
    waits, claimable = False, None
    for row in look.rows:
        holder = row.claimer or row.keeper
        is_dead = _is_dead(look, holder, first, is_gone)
        if row.state is RowState.WRITING:
            # Of a process that is gone: its client may have it, so nobody else may.
            waits = waits or not (is_dead or _has_proven(look, holder, first, me))
        elif is_dead or (not row.claimer and row.state is not RowState.SENT):
            if claimable is None or _rank(row) > _rank(claimable):
                claimable = row
        elif not _has_proven(look, holder, first, me):
            waits = True
    if claimable is not None:
        return Judgement.CLAIM, claimable
    return (Judgement.WAIT if waits else Judgement.SEND), None


def _rank(row: Row) -> tuple[bool, bool]:
    return row.state is RowState.KEPT, row.awaited


def _is_dead(look: Look, holder: str, first: float, is_gone: Callable[[str], bool]) -> bool:
    """Whether a process is gone: it took its leave, or it says nothing.

    Its silence counts from the first look: before, the store itself may have been away.
    """
    heard = look.heard.get(holder)
    if heard is None or is_gone(holder):
        return True
    return look.now - max(heard, first) >= SILENT_SECONDS


def _has_proven(look: Look, holder: str, first: float, me: str) -> bool:
    heard = look.now if holder == me else look.heard[holder]
    return heard >= first + PROOF_SECONDS


def verdict(
    rows: Sequence[Row], mine: int, found: Sequence[bytes], lives: Callable[[str], bool]
) -> tuple[Verdict, bytes]:
    """What may be made of what MLflow has, and the short id of what is taken of it.

    Args:
        rows: of all creates alike, those too that were given out.
        mine: the row that has been claimed.
        found: short ids of what MLflow has, and that nobody has touched.
        lives: whether a process lives.
    """
    taken: set[bytes] = set()
    doubts = 0
    for row in rows:
        if is_awaited(row, lives):
            return Verdict.OPEN, b""
        if row.made and row.id != mine:
            taken.add(row.made)
        doubts += row.state in (RowState.SENT, RowState.DOUBTFUL)
    free = [each for each in found if each not in taken]
    if not free:
        return Verdict.NONE, b""
    if len(free) > doubts:
        return Verdict.SEVERAL, b""
    return Verdict.JOINED, free[0]


def is_awaited(row: Row, lives: Callable[[str], bool]) -> bool:
    """Whether a process waits for MLflow's response to a create."""
    waits = row.state is RowState.SENT or (row.state is RowState.DOUBTFUL and row.awaited)
    return waits and lives(row.keeper)


def lives_at(now: float, heard: Mapping[str, float], gone: Container[str]) -> Callable[[str], bool]:
    """Says whether a process lives, where that is known."""

    def lives(process: str) -> bool:
        at = heard.get(process)
        return at is not None and process not in gone and now - at < SILENT_SECONDS

    return lives
