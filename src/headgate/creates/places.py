"""The memory of creates, as what stands in it: places, and what has been given out of them.

All of it is written through ``_store``, and what makes a change valid comes last: a process may be
killed between any two writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from headgate.creates import layout
from headgate.creates.layout import (
    DIGEST_BYTES,
    FACTS,
    GIVEN,
    GIVEN_ENTRY,
    HEAD,
    ID_BYTES,
    KEPT_BYTES,
    PLACES,
    REPORT,
    SHORT_BYTES,
)
from headgate.creates.records import Doubt, Facts, Memory, Response, State


class Places:
    """Reads and writes the memory; knows nothing of who may.

    Args:
        memory: ``SIZE`` bytes.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def _store(self, at: int, data: bytes) -> None:
        self._memory[at : at + len(data)] = data

    def prepare(self) -> None:
        """Before any process has begun: the memory is new, or that of the gate before."""
        magic, serial, given = HEAD.unpack_from(self._memory, 0)
        if magic.rstrip(b"\0") != layout.MAGIC:
            self._store(0, HEAD.pack(layout.MAGIC, serial + 1, given))

    def begin_process(self, slot: int) -> int:
        """A number for the process that has this slot of owners, unlike any before."""
        at = layout.OWNERS_AT + 8 * slot
        generation = self.generation(slot) + 1
        self.report(slot, 0.0)
        self._store(at, generation.to_bytes(8, "little"))
        return slot | generation << 8

    def slot_of(self, owner: int) -> int | None:
        """The slot of a process; ``None``: another process has that now."""
        slot = owner & 0xFF
        return slot if owner and self.generation(slot) == owner >> 8 else None

    def generation(self, slot: int) -> int:
        """How many processes have had a slot."""
        at = layout.OWNERS_AT + 8 * slot
        return int.from_bytes(self._memory[at : at + 8], "little")

    def report(self, slot: int, until: float) -> None:
        """Let the others know until when a process has seen all that its clients did."""
        self._store(layout.REPORTS_AT + slot * REPORT.size, REPORT.pack(until))

    def reported(self, slot: int) -> float:
        """Until when a process has seen all that its clients did."""
        at = layout.REPORTS_AT + slot * REPORT.size
        return float(REPORT.unpack_from(self._memory, at)[0])

    # --- places ----------------------------------------------------------------------------

    def state(self, index: int) -> State:
        """How far the create in a place is."""
        return State(self._memory[layout.STATES_AT + index])

    def set_state(self, index: int, state: State) -> None:
        """Make what was written of a place valid."""
        self._store(layout.STATES_AT + index, bytes((state,)))

    def doubt(self, index: int) -> Doubt:
        """Whether its client will have the response."""
        return Doubt(self._memory[layout.DOUBTS_AT + index])

    def set_doubt(self, index: int, doubt: Doubt) -> None:
        """Say whether its client will have the response."""
        self._store(layout.DOUBTS_AT + index, bytes((doubt,)))

    def digest(self, index: int) -> bytes:
        """What it has in common with creates alike."""
        at = layout.DIGESTS_AT + index * DIGEST_BYTES
        return bytes(self._memory[at : at + DIGEST_BYTES])

    def facts(self, index: int) -> Facts:
        """What else is known of it."""
        at = layout.FACTS_AT + index * FACTS.size
        serial, owner, claimer, sent_at, status, lines, length, made = FACTS.unpack_from(
            self._memory, at
        )
        return Facts(serial, owner, claimer, sent_at, status, lines, length, made.rstrip(b"\0"))

    def write(self, index: int, facts: Facts) -> None:
        """Change what is known of it."""
        packed = FACTS.pack(
            facts.serial,
            facts.owner,
            facts.claimer,
            facts.sent_at,
            facts.status,
            facts.lines_length,
            facts.length,
            facts.id,
        )
        self._store(layout.FACTS_AT + index * FACTS.size, packed)

    def add(self, index: int, digest: bytes, owner: int, now: float) -> int:
        """Let a create that is sent now stand in a free place; its serial number."""
        _, serial, given = HEAD.unpack_from(self._memory, 0)
        self._store(0, HEAD.pack(layout.MAGIC, serial + 1, given))
        self._store(layout.DIGESTS_AT + index * DIGEST_BYTES, digest)
        self.write(index, Facts(serial, owner, 0, now))
        self.set_doubt(index, Doubt.NONE)
        self.set_state(index, State.SENT)
        return int(serial)

    def keep(self, index: int, response: Response, made: bytes) -> bool:
        """Keep a response, and the id in it; of one that is too long only that."""
        length = len(response.lines) + len(response.body)
        if length > KEPT_BYTES:
            self.write(index, replace(self.facts(index), id=made))
            return False
        self._store(layout.RESPONSES_AT + index * KEPT_BYTES, response.lines + response.body)
        kept = replace(
            self.facts(index),
            status=response.status,
            lines_length=len(response.lines),
            length=length,
            id=made,
        )
        self.write(index, kept)
        self.set_state(index, State.KEPT)
        return True

    def response(self, index: int) -> Response:
        """The response that is kept."""
        facts, at = self.facts(index), layout.RESPONSES_AT + index * KEPT_BYTES
        kept = bytes(self._memory[at : at + facts.length])
        return Response(facts.status, kept[: facts.lines_length], kept[facts.lines_length :])

    def free(self) -> int | None:
        """A place where nothing stands."""
        at = self._memory.find(bytes((State.FREE,)), layout.STATES_AT, layout.DOUBTS_AT)
        return None if at < 0 else at - layout.STATES_AT

    def find(self, digest: bytes) -> Iterator[int]:
        """The places of the creates with that digest."""
        for index in self._entries(digest, layout.DIGESTS_AT, DIGEST_BYTES, layout.FACTS_AT):
            if self.state(index) is not State.FREE:
                yield index

    def taken(self) -> Iterator[int]:
        """Every place where something stands."""
        return (index for index in range(PLACES) if self.state(index) is not State.FREE)

    # --- what has been given out -----------------------------------------------------------

    def give(self, index: int, now: float) -> None:
        """Remember what was given out of a place, and free that."""
        magic, serial, given = HEAD.unpack_from(self._memory, 0)
        made = self.facts(index).id
        if made:
            entry = GIVEN_ENTRY.pack(self.digest(index)[:SHORT_BYTES], short(made), now)
            self._store(layout.GIVEN_AT + given % GIVEN * GIVEN_ENTRY.size, entry)
            self._store(0, HEAD.pack(magic, serial, given + 1))
        self.set_state(index, State.FREE)

    def given(self, digest: bytes) -> set[bytes]:
        """The ids that were given out for a digest, in their short form."""
        start, size = layout.GIVEN_AT, GIVEN_ENTRY.size
        found = self._entries(digest[:SHORT_BYTES], start, size, layout.RESPONSES_AT)
        return {GIVEN_ENTRY.unpack_from(self._memory, start + index * size)[1] for index in found}

    def forgotten_since(self) -> float | None:
        """Until when all that was given out may be forgotten; ``None``: nothing is."""
        given = HEAD.unpack_from(self._memory, 0)[2]
        if given < GIVEN:
            return None
        oldest = layout.GIVEN_AT + given % GIVEN * GIVEN_ENTRY.size
        return float(GIVEN_ENTRY.unpack_from(self._memory, oldest)[2])

    def _entries(self, wanted: bytes, start: int, size: int, end: int) -> Iterator[int]:
        """The entries that begin with those bytes, of entries of one size."""
        at = start
        while (at := self._memory.find(wanted, at, end)) >= 0:
            index, rest = divmod(at - start, size)
            if rest == 0:
                yield index
            at += 1


def slots_in_turn(memory: Memory) -> list[int]:
    """The slots of owners, those first that the fewest processes have had."""
    places = Places(memory)
    return sorted(range(layout.OWNERS), key=places.generation)


def as_id(made: str) -> bytes:
    """An id as it is kept."""
    return made.encode("ascii", "replace")[:ID_BYTES]


def short(made: bytes) -> bytes:
    """What is remembered of an id that was given out."""
    return hashlib.sha256(made).digest()[:SHORT_BYTES]
