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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from headgate.creates.places import Places, as_id, short
from headgate.creates.records import (
    Claim,
    Doubt,
    Facts,
    Lock,
    Memory,
    Place,
    Response,
    Standing,
    State,
    Verdict,
)

IN_DOUBT_SECONDS: Final = 900.0
"""How long a create in doubt is kept: MLflow's client repeats one for four minutes (7 attempts,
mlflow/environment_variables.py), and each attempt may wait for two."""


class CreateTable:
    """One process's view of the memory.

    Args:
        memory: ``SIZE`` bytes that all processes share, all zero at first.
        lock: keeps them apart.
        slot: the slot of owners that is this process's alone while it lives.
        clock: seconds, the same clock in every process.

    Attributes:
        evicted: creates in doubt that had to make room.
        me: the number of this process.
    """

    def __init__(self, memory: Memory, lock: Lock, slot: int, clock: Callable[[], float]) -> None:
        self._places = Places(memory)
        self._lock = lock
        self._clock = clock
        self.evicted = 0
        self._claimed: set[int] = set()  # by requests of this process
        with self._turn():
            self.me = self._places.begin_process(slot)

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

    # --- of the request that is sent to MLflow ---------------------------------------------

    def claim(self, digest: bytes) -> Claim | None:
        """Claim a create in doubt with that digest; those whose response is here first."""
        places = self._places
        if next(places.find(digest), None) is None:  # as nearly always: it takes no lock to see it
            return None
        with self._turn() as held:
            if not held:
                return None
            found = [each for each in self._alike(digest) if self._is_claimable(*each)]
            if not found:
                return None
            index, facts = max(found, key=lambda each: places.state(each[0]) is State.KEPT)
            places.write(index, replace(facts, claimer=self.me))
            self._claimed.add(facts.serial)
            return Claim(Place(index, facts.serial), facts.status >= 500)

    def standing(self, digest: bytes) -> Standing:
        """How the creates with that digest stand, for one more that has come."""
        places, standing = self._places, Standing.NONE
        if next(places.find(digest), None) is None:
            return standing
        with self._turn():
            for index, facts in self._alike(digest):
                if self._is_claimable(index, facts):
                    return Standing.CLAIMABLE
                is_written = places.state(index) is State.WRITING
                if is_written and places.doubt(index) is Doubt.DOUBTFUL:
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
            return Place(index, self._places.add(index, digest, self.me, self._clock()))

    def keep(self, place: Place, response: Response, made: str) -> bool:
        """MLflow's response is here, and ``made`` is the id in it; whether it could be kept."""
        places, index = self._places, place.index
        with self._turn():
            if not self._awaits(place):
                return False
            is_kept = places.keep(index, response, as_id(made))
            if not is_kept and places.doubt(index) is Doubt.DOUBTFUL:
                # It is to be searched for: nobody waits for MLflow any more.
                places.write(index, replace(places.facts(index), owner=0))
            return is_kept

    def leave(self, place: Place) -> None:
        """The client is gone, or is about to be; its request is still under way at MLflow."""
        if self._own(place) is not None:
            self._places.set_doubt(place.index, Doubt.DOUBTFUL)

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """There will be no response to keep; ``status``: what MLflow responded if it failed."""
        with self._turn():
            if self._awaits(place):
                places, index = self._places, place.index
                places.write(index, replace(places.facts(index), owner=0, status=status))
                places.set_doubt(index, Doubt.DOUBTFUL)

    def forget(self, place: Place) -> None:
        """Nothing was created: when it is sent again it is a new one."""
        if self._own(place) is not None:
            self._places.set_state(place.index, State.FREE)

    def _awaits(self, place: Place) -> bool:
        """Whether what has come of a create is still of use; if not, its place is freed."""
        if self._own(place) is None:
            return False
        if self._places.doubt(place.index) is Doubt.LAPSED:
            self._places.set_state(place.index, State.FREE)
            return False
        return True

    # --- of the response -------------------------------------------------------------------

    def write(self, place: Place, *, claimed: bool = False) -> bool:
        """The response is written to a client now; whether it may be.

        It may not where another request has claimed it meanwhile; ``claimed``: this one has.
        """
        with self._turn():
            facts = self._own(place)
            if facts is None:
                return True  # it is not kept here, so nobody else can be given it
            if claimed:
                self._claimed.discard(facts.serial)
            elif facts.serial in self._claimed or (
                facts.claimer != self.me and self.lives(facts.claimer)
            ):
                return False
            owner = 0 if claimed else facts.owner
            self._places.write(place.index, replace(facts, claimer=self.me, owner=owner))
            if claimed:  # what was in doubt was whether the client before this one has it
                self._places.set_doubt(place.index, Doubt.NONE)
            self._places.set_state(place.index, State.WRITING)
            return True

    def written(self, place: Place) -> None:
        """The client has the response, if the kernel is right: it is given out."""
        with self._turn():
            if self._own(place) is not None:
                self._places.give(place.index, self._clock())

    def unwritten(self, place: Place) -> None:
        """The client left before it had all of the response."""
        with self._turn():
            facts = self._own(place)
            if facts is not None:
                self._take_back(place.index, facts)

    # --- of a claim ------------------------------------------------------------------------

    def response(self, claim: Claim) -> Response | None:
        """The response, once it is here."""
        index = claim.place.index
        if self._own(claim.place) is None or self._places.state(index) is not State.KEPT:
            return None
        return self._places.response(index)

    def stands(self, claim: Claim) -> bool:
        """Whether there is still something to wait for: MLflow has not refused it meanwhile."""
        return self._own(claim.place) is not None

    def is_under_way(self, claim: Claim) -> bool:
        """Whether the process that sent it to MLflow still waits for the response."""
        facts = self._own(claim.place)
        return facts is not None and self._is_awaited(claim.place.index, facts)

    def join(self, claim: Claim, found: Sequence[tuple[str, Response]]) -> Verdict:
        """Take one of the runs that MLflow has for a create in doubt, if that is certain enough.

        Args:
            claim: of a create that is no longer under way.
            found: id and response of each run that MLflow has, and that nobody has touched.
        """
        places, index = self._places, claim.place.index
        with self._turn() as held:
            if not held or self._own(claim.place) is None:
                return Verdict.OPEN
            digest = places.digest(index)
            taken, doubts = places.given(digest), 0
            for other, facts in self._alike(digest):
                if self._is_awaited(other, facts):
                    return Verdict.OPEN
                if other != index and facts.id:
                    taken.add(short(facts.id))
                doubts += places.state(other) is State.SENT
            free = [each for each in found if short(as_id(each[0])) not in taken]
            if not free:
                return Verdict.NONE
            if len(free) > doubts or self._has_forgotten():
                return Verdict.SEVERAL
            made, response = free[0]
            kept = places.keep(index, response, as_id(made))
            return Verdict.JOINED if kept else Verdict.SEVERAL

    def release(self, claim: Claim) -> None:
        """The client of the request that claimed it has left, too: it may be claimed again."""
        with self._turn():
            self._claimed.discard(claim.place.serial)
            facts = self._own(claim.place)
            if facts is not None and facts.claimer == self.me:
                self._places.write(claim.place.index, replace(facts, claimer=0))

    def lapse(self, claim: Claim) -> None:
        """The request that has claimed it is sent to MLflow as a new one."""
        with self._turn():
            self._claimed.discard(claim.place.serial)
            facts, index = self._own(claim.place), claim.place.index
            if facts is None:
                return
            if self._is_awaited(index, facts):
                self._places.set_doubt(index, Doubt.LAPSED)
            else:
                self._places.set_state(index, State.FREE)

    # --- who may have what -----------------------------------------------------------------

    def _own(self, place: Place) -> Facts | None:
        """What is known of a create, if it still has its place."""
        facts = self._places.facts(place.index)
        is_there = self._places.state(place.index) is not State.FREE
        return facts if is_there and facts.serial == place.serial else None

    def _alike(self, digest: bytes) -> Iterator[tuple[int, Facts]]:
        """Every create with that digest, but for those that have been given out."""
        places = self._places
        for index in places.find(digest):
            facts = places.facts(index)
            if places.state(index) is not State.WRITING or self.lives(facts.claimer):
                yield index, facts
            elif places.doubt(index) is Doubt.DOUBTFUL:
                yield index, self._take_back(index, facts)
            else:
                # Its client may have had it: nobody else may get it.
                places.give(index, self._clock())

    def _take_back(self, index: int, facts: Facts) -> Facts:
        """The response was written to a client that has left: the create is in doubt."""
        back = replace(facts, claimer=0, owner=0)
        self._places.write(index, back)
        self._places.set_doubt(index, Doubt.DOUBTFUL)
        self._places.set_state(index, State.KEPT if facts.length else State.SENT)
        return back

    def lives(self, owner: int) -> bool:
        """Whether a process lives, by its number, which is ``me`` of its table."""
        if owner == self.me:
            return True
        slot = self._places.slot_of(owner)
        return slot is not None and self._lock.lives(slot)

    def _is_awaited(self, index: int, facts: Facts) -> bool:
        """Whether a process waits for MLflow's response to it."""
        return self._places.state(index) is State.SENT and self.lives(facts.owner)

    def _is_doubtful(self, index: int, facts: Facts) -> bool:
        if self._places.state(index) not in (State.SENT, State.KEPT):
            return False
        doubt = self._places.doubt(index)
        return doubt is Doubt.DOUBTFUL or (doubt is Doubt.NONE and not self.lives(facts.owner))

    def _is_claimable(self, index: int, facts: Facts) -> bool:
        return (
            self._is_doubtful(index, facts)
            and not self.lives(facts.claimer)
            and self._clock() - facts.sent_at <= IN_DOUBT_SECONDS
        )

    def _has_forgotten(self) -> bool:
        """Whether something was given out not long ago that is no longer remembered."""
        since = self._places.forgotten_since()
        return since is not None and self._clock() - since < IN_DOUBT_SECONDS

    # --- room ------------------------------------------------------------------------------

    def _room(self) -> int | None:
        """A free place; where there is none, the oldest create in doubt makes room."""
        free = self._places.free()
        if free is not None:
            return free
        now = self._clock()
        left = [(index, self._places.facts(index)) for index in self._places.taken()]
        spent = [index for index, facts in left if self._is_spent(index, facts)]
        for index in spent:
            self._places.give(index, now)
        if spent:
            return spent[0]
        doubtful = [each for each in left if self._may_make_room(*each)]
        if not doubtful:
            return None
        index, facts = min(doubtful, key=lambda each: each[1].sent_at)
        self.evicted += now - facts.sent_at <= IN_DOUBT_SECONDS
        self._places.give(index, now)  # if it has an id, nobody else shall be given that
        return index

    def _may_make_room(self, index: int, facts: Facts) -> bool:
        return (
            self._is_doubtful(index, facts)
            and not self._is_awaited(index, facts)
            and not self.lives(facts.claimer)
        )

    def _is_spent(self, index: int, facts: Facts) -> bool:
        """Whether a process died with it of which nobody may get anything more."""
        if self._places.state(index) is State.WRITING:
            return not self.lives(facts.claimer)
        return self._places.doubt(index) is Doubt.LAPSED and not self.lives(facts.owner)
