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

from collections.abc import Callable, Sequence
from dataclasses import replace

from headgate.creates.doubts import IN_DOUBT_SECONDS, Doubts
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
from headgate.creates.turns import BusyError, Turns


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
        self._clock = clock
        self.evicted = 0
        self._claimed: set[int] = set()  # by requests of this process
        self._open: set[int] = set()  # those of this process that have not ended, by serial number
        self._reported_at = 0.0
        self.me = self._places.begin_process(slot)
        self._turns = Turns(lock, self._places, self.me)
        self._doubts = Doubts(self._places, self._turns, clock)

    @property
    def now(self) -> float:
        """The time by the clock of all processes."""
        return self._clock()

    def report(self) -> bool:
        """Report that this process has seen what its clients did; once in every turn of its loop.

        What had come before one report has been seen by the next, wherever in its turn a loop makes
        these.

        Returns:
            Whether another report is of use: there are creates that have not ended.
        """
        slot, now = self._places.slot_of(self.me), self._clock()
        if slot is not None:
            self._places.report(slot, self._reported_at)
        self._reported_at = now
        return self._turns.catch_up() or bool(self._open)

    # --- of the request that is sent to MLflow ---------------------------------------------

    def claim(self, digest: bytes) -> Claim | None:
        """Claim a create in doubt with that digest; those whose response is here first.

        Raises:
            BusyError: another process was stopped within its turn.
        """
        places = self._places
        if next(places.find(digest), None) is None:  # as nearly always: it takes no lock to see it
            return None
        with self._turns.held():
            found = [
                each for each in self._doubts.alike(digest) if self._doubts.is_claimable(*each)
            ]
            if not found:
                return None
            index, facts = max(found, key=lambda each: places.state(each[0]) is State.KEPT)
            places.write(index, replace(facts, claimer=self.me))
            self._claimed.add(facts.serial)
            self._open.add(facts.serial)
            return Claim(Place(index, facts.serial), facts.status >= 500)

    def standing(self, digest: bytes, since: float) -> Standing:
        """How the creates with that digest stand, for one more that has come.

        Args:
            digest: of it.
            since: until when the others must have seen at least what their clients did.
        """
        if next(self._places.find(digest), None) is None:
            return Standing.NONE
        try:
            with self._turns.held():
                return self._doubts.standing(digest, since)
        except BusyError:
            return Standing.UNSETTLED

    def begin(self, digest: bytes) -> Place | None:
        """Note that a create is sent to MLflow now; ``None``: there is no place for it.

        Raises:
            BusyError: another process was stopped within its turn.
        """
        with self._turns.held():
            index = self._room()
            if index is None:
                return None
            place = Place(index, self._places.add(index, digest, self.me, self._clock()))
            self._open.add(place.serial)
            return place

    def keep(self, place: Place, response: Response, made: str) -> None:
        """MLflow's response is here, and ``made`` is the id in it."""

        def change() -> None:
            places, index = self._places, place.index
            is_left = places.doubt(index) is not Doubt.NONE
            if self._awaits(place) and not places.keep(index, response, as_id(made)) and is_left:
                # It is to be searched for: nobody waits for MLflow any more.
                places.write(index, replace(places.facts(index), owner=0))
            if is_left:
                self._open.discard(place.serial)

        # While its client is there nobody else changes anything of it.
        self._turns.do(change, alone=self._places.doubt(place.index) is Doubt.NONE)

    def leave(self, place: Place) -> None:
        """The client is gone, or is about to be; its request is still under way at MLflow."""
        if self._own(place) is not None:
            self._places.set_doubt(place.index, Doubt.DOUBTFUL)

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """There will be no response to keep; ``status``: what MLflow responded if it failed."""

        def change() -> None:
            if self._awaits(place):
                places, index = self._places, place.index
                places.write(index, replace(places.facts(index), owner=0, status=status))
                places.set_doubt(index, Doubt.DOUBTFUL)

        self._end(place, change)

    def forget(self, place: Place) -> None:
        """Nothing was created: when it is sent again it is a new one."""
        self._open.discard(place.serial)
        if self._own(place) is not None:
            self._places.set_state(place.index, State.FREE)

    def _end(self, place: Place, change: Callable[[], None]) -> None:
        """Change a create for the last time, in this turn of the process or the next."""
        self._open.discard(place.serial)
        self._turns.do(change)

    def _awaits(self, place: Place) -> bool:
        """Whether what has come of a create is still of use: it has not lapsed."""
        facts, index = self._own(place), place.index
        if facts is None:
            return False
        if self._places.doubt(index) is Doubt.LAPSED:
            self._places.write(index, replace(facts, owner=0))
            return False
        return True

    # --- of the response -------------------------------------------------------------------

    def write(self, place: Place, *, claimed: bool = False) -> bool:
        """The response is written to a client now; whether it may be.

        It may not where another request has claimed it meanwhile; ``claimed``: this one has.
        """
        with self._turns.turn() as held:
            facts = self._own(place)
            if facts is None:
                return True  # it is not kept here, so nobody else can be given it
            if claimed:
                self._claimed.discard(facts.serial)
            elif not self._may_write(place, facts, held=held):
                self._open.discard(place.serial)
                return False
            owner = 0 if claimed else facts.owner
            self._open.add(place.serial)
            self._places.write(place.index, replace(facts, claimer=self.me, owner=owner))
            if claimed:  # what was in doubt was whether the client before this one has it
                self._places.set_doubt(place.index, Doubt.NONE)
            self._places.set_state(place.index, State.WRITING)
            return True

    def _may_write(self, place: Place, facts: Facts, *, held: bool) -> bool:
        if not held:  # somebody may be about to claim it
            return self._places.doubt(place.index) is Doubt.NONE
        is_claimed = facts.claimer != self.me and self._turns.lives(facts.claimer)
        return facts.serial not in self._claimed and not is_claimed

    def written(self, place: Place) -> None:
        """The client has the response, if the kernel is right: it is given out."""

        def change() -> None:
            if self._own(place) is not None:
                self._places.give(place.index, self._clock())

        self._end(place, change)

    def unwritten(self, place: Place) -> None:
        """The client left before it had all of the response."""

        def change() -> None:
            facts = self._own(place)
            if facts is not None:
                self._doubts.take_back(place.index, facts)

        self._end(place, change)

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
        return facts is not None and self._doubts.is_awaited(claim.place.index, facts)

    def join(self, claim: Claim, found: Sequence[tuple[str, Response]]) -> Verdict:
        """Take one of the runs that MLflow has for a create in doubt, if that is certain enough.

        Args:
            claim: of a create that is no longer under way.
            found: id and response of each run that MLflow has, and that nobody has touched.
        """
        try:
            with self._turns.held():
                return self._join(claim, found)
        except BusyError:
            return Verdict.OPEN

    def _join(self, claim: Claim, found: Sequence[tuple[str, Response]]) -> Verdict:
        places, index = self._places, claim.place.index
        if self._own(claim.place) is None:
            return Verdict.OPEN
        digest = places.digest(index)
        taken, doubts = places.given(digest), 0
        for other, facts in self._doubts.alike(digest):
            if self._doubts.is_awaited(other, facts):
                return Verdict.OPEN
            if other != index and facts.id:
                taken.add(short(facts.id))
            doubts += places.state(other) is State.SENT
        free = [each for each in found if short(as_id(each[0])) not in taken]
        if not free:
            return Verdict.NONE
        if len(free) > doubts or self._doubts.has_forgotten():
            return Verdict.SEVERAL
        made, response = free[0]
        kept = places.keep(index, response, as_id(made))
        return Verdict.JOINED if kept else Verdict.SEVERAL

    def release(self, claim: Claim) -> None:
        """The client of the request that claimed it has left, too: it may be claimed again."""

        def change() -> None:
            self._claimed.discard(claim.place.serial)
            facts = self._own(claim.place)
            if facts is not None and facts.claimer == self.me:
                self._places.write(claim.place.index, replace(facts, claimer=0))

        self._end(claim.place, change)

    def lapse(self, claim: Claim, *, may_exist: bool) -> None:
        """The request that has claimed it is sent to MLflow as a new one.

        Args:
            claim: that comes to nothing.
            may_exist: whether MLflow may have made a run of it.  That is counted on where those
                alike look for theirs: it is not somebody else's.
        """

        def change() -> None:
            self._claimed.discard(claim.place.serial)
            facts, index = self._own(claim.place), claim.place.index
            if facts is None:
                return
            if may_exist or self._doubts.is_awaited(index, facts):
                self._places.set_doubt(index, Doubt.LAPSED)
            else:
                self._places.set_state(index, State.FREE)

        self._end(claim.place, change)

    def _own(self, place: Place) -> Facts | None:
        """What is known of a create, if it still has its place."""
        facts = self._places.facts(place.index)
        is_there = self._places.state(place.index) is not State.FREE
        return facts if is_there and facts.serial == place.serial else None

    def lives(self, owner: int) -> bool:
        """Whether a process lives, by its number, which is ``me`` of its table."""
        return self._turns.lives(owner)

    def _room(self) -> int | None:
        """A free place; where there is none, the oldest create in doubt makes room."""
        free = self._places.free()
        if free is not None:
            return free
        now = self._clock()
        left = [(index, self._places.facts(index)) for index in self._places.taken()]
        spent = [index for index, facts in left if self._doubts.is_spent(index, facts)]
        for index in spent:
            self._places.give(index, now)
        if spent:
            return spent[0]
        doubtful = [each for each in left if self._doubts.may_make_room(*each)]
        if not doubtful:
            return None
        index, facts = min(doubtful, key=lambda each: each[1].sent_at)
        self.evicted += now - facts.sent_at <= IN_DOUBT_SECONDS
        self._places.give(index, now)  # if it has an id, nobody else shall be given that
        return index
