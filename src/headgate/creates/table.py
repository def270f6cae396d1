"""The table of creates: which are under way at MLflow, and which are in doubt.

A create has a place here from just before it is sent to MLflow until its response has been written
to its client.  It is *in doubt* once nobody may count on that: its client has left, MLflow's
response was lost, or the process that had it is gone.  A process that is killed tidies nothing up,
so every change here is whole or not there: the state of a place, one byte, is written last, and
whether its owner lives is asked of the kernel.

A request with the same bytes may *claim* one create in doubt, and no other can while its process
lives.  Creates of one digest are alike to MLflow and to those who sent them, so which claim gets
which of their runs does not matter; what matters is that no run is given out twice.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Protocol

from headgate.creates import layout
from headgate.creates.layout import DIGEST_BYTES, FACTS, GIVEN, GIVEN_ENTRY, HEAD, PLACES

IN_DOUBT_SECONDS: Final = 900.0
"""How long a create in doubt is kept: MLflow's client repeats one for four minutes (7 attempts,
mlflow/environment_variables.py), and each attempt may wait for two."""

_FREE: Final = 0
_SENT: Final = 1
"""MLflow has it; there is no response."""
_KEPT: Final = 2
"""MLflow's response is here."""
_WRITING: Final = 3
"""It is being written to a client, which may have it."""

_CERTAIN: Final = 0
_DOUBTFUL: Final = 1
"""Its client is gone, although the owner may still wait for MLflow."""
_LAPSED: Final = 2
"""Nobody may claim it any more; its owner frees the place."""

Memory = mmap | bytearray


class Lock(Protocol):
    """Keeps processes apart, and knows which live; the kernel frees what a killed one holds."""

    def acquire(self) -> bool:
        """Wait for the lock, for moments; whether it is held now."""

    def release(self) -> None:
        """Let the others go on."""

    def lives(self, slot: int) -> bool:
        """Whether a process uses this slot of owners."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one create stands; ``serial`` tells it from one that stands there later."""

    index: int
    serial: int


@dataclass(frozen=True, slots=True)
class Response:
    """A response of MLflow's as it is kept; ``lines`` are its header lines."""

    status: int
    lines: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A create in doubt that has been claimed.

    Attributes:
        place: where it stands.
        failed: MLflow has responded that it failed: there is no point in waiting for it.
    """

    place: Place
    failed: bool


class Standing(enum.Enum):
    """How the creates of one digest stand, the first of these that is true of one."""

    CLAIMABLE = enum.auto()
    """One may be claimed."""
    UNSETTLED = enum.auto()
    """The response to one is being written to a client that has perhaps left: its kernel will say
    in a moment."""
    UNDER_WAY = enum.auto()
    """One is under way, and nothing says that its client has left."""
    NONE = enum.auto()


class Verdict(enum.Enum):
    """What may be made of the runs that MLflow has for a create in doubt."""

    JOINED = enum.auto()
    """One of them is this claim's, and nobody else gets it."""
    NONE = enum.auto()
    """None of them is free."""
    OPEN = enum.auto()
    """One alike is under way, and any of them may be its."""
    SEVERAL = enum.auto()
    """There are more than there are creates in doubt: somebody else has made some of them."""


@dataclass(frozen=True, slots=True)
class _Facts:
    serial: int
    owner: int
    claimer: int
    sent_at: float
    status: int
    lines_length: int
    length: int
    id: bytes


class CreateTable:
    """One process's view of the memory.

    Args:
        memory: ``SIZE`` bytes that all processes share, all zero at first.
        lock: keeps them apart.
        slot: the slot of owners that is this process's alone while it lives.
        clock: seconds, the same clock in every process.

    Attributes:
        evicted: creates in doubt that had to make room.
    """

    def __init__(self, memory: Memory, lock: Lock, slot: int, clock: Callable[[], float]) -> None:
        self._memory = memory
        self._lock = lock
        self._clock = clock
        self.evicted = 0
        with self._turn():
            magic, serial, given = HEAD.unpack_from(memory, 0)
            if magic.rstrip(b"\0") != layout.MAGIC:
                HEAD.pack_into(memory, 0, layout.MAGIC, serial + 1, given)
            at = layout.OWNERS_AT + 8 * slot
            generation = int.from_bytes(memory[at : at + 8], "little") + 1
            memory[at : at + 8] = generation.to_bytes(8, "little")
        self._me = slot | generation << 8

    # --- of the request that is sent to MLflow ---------------------------------------------

    def claim(self, digest: bytes) -> Claim | None:
        """Claim a create in doubt with that digest; those whose response is here first."""
        if self._find(digest, 0) is None:  # as nearly always; no lock is needed to see it
            return None
        with self._turn() as held:
            if not held:
                return None
            best: tuple[int, _Facts] | None = None
            for index, facts in self._alike(digest):
                if not self._is_claimable(index, facts):
                    continue
                if best is None or (self._state(index) == _KEPT != self._state(best[0])):
                    best = index, facts
            if best is None:
                return None
            index, facts = best
            self._put(index, facts, claimer=self._me)
            return Claim(Place(index, facts.serial), facts.status >= 500)

    def standing(self, digest: bytes) -> Standing:
        """How the creates with that digest stand, for one more that has come."""
        standing = Standing.NONE
        if self._find(digest, 0) is None:
            return standing
        with self._turn():
            for index, facts in self._alike(digest):
                if self._is_claimable(index, facts):
                    return Standing.CLAIMABLE
                doubt = self._memory[layout.DOUBTS_AT + index]
                if self._state(index) == _WRITING and doubt == _DOUBTFUL:
                    standing = Standing.UNSETTLED
                elif standing is Standing.NONE:
                    standing = Standing.UNDER_WAY
        return standing

    def begin(self, digest: bytes) -> Place | None:
        """Note that a create is sent to MLflow now; ``None``: there is no place for it."""
        with self._turn() as held:
            index = self._room() if held else None
            if index is None:
                return None
            _, serial, given = HEAD.unpack_from(self._memory, 0)
            HEAD.pack_into(self._memory, 0, layout.MAGIC, serial + 1, given)
            at = layout.DIGESTS_AT + index * DIGEST_BYTES
            self._memory[at : at + DIGEST_BYTES] = digest
            self._write(index, _Facts(serial, self._me, 0, self._clock(), 0, 0, 0, b""))
            self._memory[layout.DOUBTS_AT + index] = _CERTAIN
            self._set_state(index, _SENT)
            return Place(index, serial)

    def keep(self, place: Place, response: Response, made: str) -> bool:
        """MLflow's response is here, and ``made`` is the id in it; whether it could be kept."""
        with self._turn():
            facts = self._own(place)
            if facts is None:
                return False
            if self._memory[layout.DOUBTS_AT + place.index] == _LAPSED:
                self._set_state(place.index, _FREE)
                return False
            return self._keep(place.index, facts, response, made)

    def leave(self, place: Place) -> None:
        """The client is gone, or is about to be; its request is still under way at MLflow."""
        if self._own(place) is not None:
            self._memory[layout.DOUBTS_AT + place.index] = _DOUBTFUL

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """There will be no response to keep; ``status``: what MLflow responded if it failed."""
        with self._turn():
            facts = self._own(place)
            if facts is None:
                return
            if self._memory[layout.DOUBTS_AT + place.index] == _LAPSED:
                self._set_state(place.index, _FREE)
                return
            self._put(place.index, facts, owner=0, status=status)
            self._memory[layout.DOUBTS_AT + place.index] = _DOUBTFUL

    def forget(self, place: Place) -> None:
        """Nothing was created: when it is sent again it is a new one."""
        if self._own(place) is not None:
            self._set_state(place.index, _FREE)

    # --- of the response -------------------------------------------------------------------

    def write(self, place: Place) -> bool:
        """The response is written to a client now; whether it may be.

        It may not where another request has claimed it meanwhile.
        """
        with self._turn():
            facts = self._own(place)
            if facts is None:
                return True  # it is not kept here, so nobody else can be given it
            if facts.claimer not in (0, self._me) and self._lives(facts.claimer):
                return False
            self._put(place.index, facts, claimer=self._me)
            self._set_state(place.index, _WRITING)
            return True

    def written(self, place: Place) -> None:
        """The client has the response, if the kernel is right: it is given out."""
        with self._turn():
            facts = self._own(place)
            if facts is not None:
                self._give(place.index, facts)

    def unwritten(self, place: Place) -> None:
        """The client left before it had all of the response."""
        with self._turn():
            facts = self._own(place)
            if facts is not None:
                self._take_back(place.index, facts)

    # --- of a claim ------------------------------------------------------------------------

    def response(self, claim: Claim) -> Response | None:
        """The response, once it is here."""
        facts = self._own(claim.place)
        if facts is None or self._state(claim.place.index) != _KEPT:
            return None
        at = layout.RESPONSES_AT + claim.place.index * layout.KEPT_BYTES
        kept = bytes(self._memory[at : at + facts.length])
        return Response(facts.status, kept[: facts.lines_length], kept[facts.lines_length :])

    def is_under_way(self, claim: Claim) -> bool:
        """Whether the process that sent it to MLflow still waits for the response."""
        facts = self._own(claim.place)
        waits = facts is not None and self._state(claim.place.index) == _SENT
        return waits and facts is not None and self._lives(facts.owner)

    def join(self, claim: Claim, found: Sequence[tuple[str, Response]]) -> Verdict:
        """Take one of the runs that MLflow has for a create in doubt, if that is certain enough.

        Args:
            claim: of a create that is no longer under way.
            found: id and response of each run that MLflow has, and that nobody has touched.
        """
        with self._turn() as held:
            mine = self._own(claim.place)
            if not held or mine is None:
                return Verdict.SEVERAL
            digest = self._digest(claim.place.index)
            taken, doubts = self._given(digest), 0
            for index, facts in self._alike(digest):
                if self._state(index) == _SENT and self._lives(facts.owner):
                    return Verdict.OPEN
                if index != claim.place.index and facts.id:
                    taken.add(facts.id)
                doubts += self._state(index) == _SENT
            free = [each for each in found if each[0].encode("ascii") not in taken]
            if not free:
                return Verdict.NONE
            if len(free) > doubts or self._has_forgotten():
                return Verdict.SEVERAL
            made, response = free[0]
            self._keep(claim.place.index, mine, response, made)
            return Verdict.JOINED

    def release(self, claim: Claim) -> None:
        """The client of the request that claimed it has left, too: it may be claimed again."""
        with self._turn():
            facts = self._own(claim.place)
            if facts is not None and facts.claimer == self._me:
                self._put(claim.place.index, facts, claimer=0)

    def lapse(self, claim: Claim) -> None:
        """The request that has claimed it is sent to MLflow as a new one."""
        with self._turn():
            facts = self._own(claim.place)
            if facts is None:
                return
            if self._state(claim.place.index) == _SENT and self._lives(facts.owner):
                self._memory[layout.DOUBTS_AT + claim.place.index] = _LAPSED
            else:
                self._set_state(claim.place.index, _FREE)

    def in_doubt(self) -> int:
        """How many creates are in doubt, claimed or not."""
        return sum(
            self._is_doubtful(index, self._facts(index))
            for index in range(PLACES)
            if self._state(index) in (_SENT, _KEPT)
        )

    # --- the memory ------------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Hold the lock, if it can be had.

        What a process changes in its own places it changes without, too, rather than not at all:
        only a process that was stopped within its turn keeps others from theirs.
        """
        held = self._lock.acquire()
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    def _state(self, index: int) -> int:
        return self._memory[layout.STATES_AT + index]

    def _set_state(self, index: int, state: int) -> None:
        self._memory[layout.STATES_AT + index] = state

    def _digest(self, index: int) -> bytes:
        at = layout.DIGESTS_AT + index * DIGEST_BYTES
        return bytes(self._memory[at : at + DIGEST_BYTES])

    def _facts(self, index: int) -> _Facts:
        at = layout.FACTS_AT + index * FACTS.size
        serial, owner, claimer, sent_at, status, lines, length, made = FACTS.unpack_from(
            self._memory, at
        )
        return _Facts(serial, owner, claimer, sent_at, status, lines, length, made.rstrip(b"\0"))

    def _write(self, index: int, facts: _Facts) -> None:
        FACTS.pack_into(
            self._memory,
            layout.FACTS_AT + index * FACTS.size,
            facts.serial,
            facts.owner,
            facts.claimer,
            facts.sent_at,
            facts.status,
            facts.lines_length,
            facts.length,
            facts.id,
        )

    def _put(
        self,
        index: int,
        facts: _Facts,
        *,
        owner: int | None = None,
        claimer: int | None = None,
        status: int | None = None,
    ) -> None:
        """Change some facts, the rest stays."""
        self._write(
            index,
            _Facts(
                facts.serial,
                facts.owner if owner is None else owner,
                facts.claimer if claimer is None else claimer,
                facts.sent_at,
                facts.status if status is None else status,
                facts.lines_length,
                facts.length,
                facts.id,
            ),
        )

    def _own(self, place: Place) -> _Facts | None:
        """What is known of a create, if it still has its place."""
        facts = self._facts(place.index)
        if facts.serial != place.serial or self._state(place.index) == _FREE:
            return None
        return facts

    def _keep(self, index: int, facts: _Facts, response: Response, made: str) -> bool:
        """Keep a response; of one that is too long only the id."""
        known = made.encode("ascii", "replace")[: layout.ID_BYTES]
        length = len(response.lines) + len(response.body)
        if length > layout.KEPT_BYTES:
            self._put_response(index, facts, 0, 0, 0, known)
            return False
        at = layout.RESPONSES_AT + index * layout.KEPT_BYTES
        self._memory[at : at + length] = response.lines + response.body
        self._put_response(index, facts, response.status, len(response.lines), length, known)
        self._set_state(index, _KEPT)
        return True

    def _put_response(
        self, index: int, facts: _Facts, status: int, lines_length: int, length: int, made: bytes
    ) -> None:
        known = facts.serial, facts.owner, facts.claimer, facts.sent_at
        self._write(index, _Facts(*known, status, lines_length, length, made))

    def _take_back(self, index: int, facts: _Facts) -> _Facts:
        """The response was written to a client that has left: the create is in doubt."""
        kept = facts.length > 0
        self._put(index, facts, claimer=0, owner=0)
        self._memory[layout.DOUBTS_AT + index] = _DOUBTFUL
        self._set_state(index, _KEPT if kept else _SENT)
        return self._facts(index)

    def _find(self, digest: bytes, start: int) -> int | None:
        """The next place from ``start`` on with that digest."""
        at = layout.DIGESTS_AT + start * DIGEST_BYTES
        while (at := self._memory.find(digest, at, layout.FACTS_AT)) >= 0:
            index, rest = divmod(at - layout.DIGESTS_AT, DIGEST_BYTES)
            if rest == 0 and self._state(index) != _FREE:
                return index
            at += 1
        return None

    def _alike(self, digest: bytes) -> Iterator[tuple[int, _Facts]]:
        """Every create with that digest, but for those that are given out."""
        index = self._find(digest, 0)
        while index is not None:
            facts = self._facts(index)
            if self._state(index) != _WRITING or self._lives(facts.claimer):
                yield index, facts
            elif self._memory[layout.DOUBTS_AT + index] == _DOUBTFUL:
                yield index, self._take_back(index, facts)
            else:
                self._give(index, facts)  # its client may have had it: nobody else may get it
            index = self._find(digest, index + 1)

    def _lives(self, owner: int) -> bool:
        if owner == self._me:
            return True
        slot = owner & 0xFF
        at = layout.OWNERS_AT + 8 * slot
        generation = int.from_bytes(self._memory[at : at + 8], "little")
        return owner != 0 and generation == owner >> 8 and self._lock.lives(slot)

    def _is_doubtful(self, index: int, facts: _Facts) -> bool:
        if self._state(index) not in (_SENT, _KEPT):
            return False
        doubt = self._memory[layout.DOUBTS_AT + index]
        return doubt == _DOUBTFUL or (doubt == _CERTAIN and not self._lives(facts.owner))

    def _is_claimable(self, index: int, facts: _Facts) -> bool:
        return (
            self._is_doubtful(index, facts)
            and not self._lives(facts.claimer)
            and self._clock() - facts.sent_at <= IN_DOUBT_SECONDS
        )

    # --- what has been given out -----------------------------------------------------------

    def _give(self, index: int, facts: _Facts) -> None:
        """Remember what was given out, and free the place."""
        magic, serial, given = HEAD.unpack_from(self._memory, 0)
        if facts.id:
            at = layout.GIVEN_AT + given % GIVEN * GIVEN_ENTRY.size
            entry = self._digest(index), facts.id, self._clock()
            GIVEN_ENTRY.pack_into(self._memory, at, *entry)
            HEAD.pack_into(self._memory, 0, magic, serial, given + 1)
        self._set_state(index, _FREE)

    def _given(self, digest: bytes) -> set[bytes]:
        """The ids that were given out for a digest."""
        found, at = set(), layout.GIVEN_AT
        while (at := self._memory.find(digest, at, layout.RESPONSES_AT)) >= 0:
            index, rest = divmod(at - layout.GIVEN_AT, GIVEN_ENTRY.size)
            if rest == 0:
                start = layout.GIVEN_AT + index * GIVEN_ENTRY.size
                found.add(GIVEN_ENTRY.unpack_from(self._memory, start)[1].rstrip(b"\0"))
            at += 1
        return found

    def _has_forgotten(self) -> bool:
        """Whether something was given out not long ago that is no longer remembered."""
        given = HEAD.unpack_from(self._memory, 0)[2]
        if given < GIVEN:
            return False
        oldest = layout.GIVEN_AT + given % GIVEN * GIVEN_ENTRY.size
        age = self._clock() - GIVEN_ENTRY.unpack_from(self._memory, oldest)[2]
        return bool(age < IN_DOUBT_SECONDS)

    def _room(self) -> int | None:
        """A free place; where there is none, the oldest create in doubt makes room."""
        free = self._memory.find(b"\0", layout.STATES_AT, layout.DOUBTS_AT)
        if free >= 0:
            return free - layout.STATES_AT
        oldest: tuple[float, int, _Facts] | None = None
        for index in range(PLACES):
            facts, state = self._facts(index), self._state(index)
            if state == _WRITING and not self._lives(facts.claimer):
                self._give(index, facts)
                return index
            is_left = not self._lives(facts.owner) or state == _KEPT
            if is_left and self._is_claimable_or_old(index, facts):
                oldest = min(oldest or (facts.sent_at, index, facts), (facts.sent_at, index, facts))
        if oldest is None:
            return None
        _, index, facts = oldest
        if self._clock() - facts.sent_at <= IN_DOUBT_SECONDS:
            self.evicted += 1
        self._give(index, facts)  # if it has an id, nobody else shall be given that
        return index

    def _is_claimable_or_old(self, index: int, facts: _Facts) -> bool:
        return self._is_doubtful(index, facts) and not self._lives(facts.claimer)
