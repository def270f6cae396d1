"""Which creates are in doubt: what follows from what stands in the memory, and from who lives.

All of it is asked within a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from headgate.creates.places import Places
from headgate.creates.records import Doubt, Facts, Standing, State
from headgate.creates.turns import Turns

IN_DOUBT_SECONDS: Final = 900.0
"""How long a create in doubt is kept: MLflow's client repeats one for four minutes (7 attempts,
mlflow/environment_variables.py), and each attempt may wait for two."""


class Doubts:
    """Says how creates stand.

    Args:
        places: the memory.
        turns: knows who lives.
        clock: seconds, the same clock in every process.
    """

    def __init__(self, places: Places, turns: Turns, clock: Callable[[], float]) -> None:
        self._places = places
        self._turns = turns
        self._clock = clock

    def standing(self, digest: bytes, since: float) -> Standing:
        """See ``CreateTable.standing``."""
        standing = Standing.NONE
        for index, facts in self.alike(digest):
            if self.is_claimable(index, facts):
                return Standing.CLAIMABLE
            if self._places.doubt(index) is Doubt.LAPSED:
                continue
            if self._may_have_lost_its_client(index, facts, since):
                standing = Standing.UNSETTLED
            elif standing is Standing.NONE:
                standing = Standing.UNDER_WAY
        return standing

    def _may_have_lost_its_client(self, index: int, facts: Facts, since: float) -> bool:
        is_written = self._places.state(index) is State.WRITING
        is_doubtful = self._places.doubt(index) is Doubt.DOUBTFUL
        return (is_written and is_doubtful) or not self._has_seen(facts, since)

    def _has_seen(self, facts: Facts, since: float) -> bool:
        """Whether the process that has the client of a create has seen what that did."""
        holder = facts.claimer if self._turns.lives(facts.claimer) else facts.owner
        slot = self._places.slot_of(holder)
        return slot is None or not self._turns.lives(holder) or self._places.reported(slot) >= since

    def alike(self, digest: bytes) -> Iterator[tuple[int, Facts]]:
        """Every create with that digest, but for those that have been given out."""
        places = self._places
        for index in places.find(digest):
            facts = places.facts(index)
            if places.state(index) is not State.WRITING or self._turns.lives(facts.claimer):
                yield index, facts
            elif places.doubt(index) is Doubt.DOUBTFUL:
                yield index, self.take_back(index, facts)
            else:
                # Its client may have had it: nobody else may get it.
                places.give(index, self._clock())

    def take_back(self, index: int, facts: Facts) -> Facts:
        """The response was written to a client that has left: the create is in doubt."""
        back = replace(facts, claimer=0, owner=0)
        self._places.write(index, back)
        self._places.set_doubt(index, Doubt.DOUBTFUL)
        self._places.set_state(index, State.KEPT if facts.length else State.SENT)
        return back

    def is_awaited(self, index: int, facts: Facts) -> bool:
        """Whether a process waits for MLflow's response to it."""
        return self._places.state(index) is State.SENT and self._turns.lives(facts.owner)

    def is_doubtful(self, index: int, facts: Facts) -> bool:
        """Whether nobody may count on its client having the response."""
        if self._places.state(index) not in (State.SENT, State.KEPT):
            return False
        doubt = self._places.doubt(index)
        return doubt is Doubt.DOUBTFUL or (
            doubt is Doubt.NONE and not self._turns.lives(facts.owner)
        )

    def is_claimable(self, index: int, facts: Facts) -> bool:
        """Whether it is in doubt, and no request has claimed it."""
        return (
            self.is_doubtful(index, facts)
            and not self._turns.lives(facts.claimer)
            and self._clock() - facts.sent_at <= IN_DOUBT_SECONDS
        )

    def has_forgotten(self) -> bool:
        """Whether something was given out not long ago that is no longer remembered."""
        since = self._places.forgotten_since()
        return since is not None and self._clock() - since < IN_DOUBT_SECONDS

    def may_make_room(self, index: int, facts: Facts) -> bool:
        """Whether it is in doubt, and no process has anything to do with it now."""
        return (
            self.is_doubtful(index, facts)
            and not self.is_awaited(index, facts)
            and not self._turns.lives(facts.claimer)
        )

    def is_spent(self, index: int, facts: Facts) -> bool:
        """Whether a process died with it of which nobody may get anything more."""
        if self._places.state(index) is State.WRITING:
            return not self._turns.lives(facts.claimer)
        return self._places.doubt(index) is Doubt.LAPSED and not self._turns.lives(facts.owner)
