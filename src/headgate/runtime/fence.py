"""The fence of a gate that cannot reach its store: it sends nothing that no park waits for.

A gate that is silent may be dead, or cut off from the store alone.  With a fence both come to the
same: one that cannot report holds requests after a while, as if it were parked, and later cuts off
what may still change something.  So the others need not wait for it.

It goes by a clock of this machine.  A machine that is suspended for longer than the fence, and then
goes on, may send what it has read before until the next look, half a second later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from headgate.events import Emit, FenceLifted, FenceRaised
from headgate.maintenance import Directive, Park

_PARK_ID: Final = "fence"
_WHO: Final = "the gate itself"
_SENTENCE: Final = (
    "this gate cannot reach its key store, and would not hear of a maintenance that has begun; it "
    "goes on by itself once the store is back"
)
_ENDLESS: Final = 1e10
"""Seconds since the epoch, in the year 2286: a lease, so that no client hears of an end."""


class Held(NamedTuple):
    """A fence that is raised.

    Attributes:
        since: when it was raised, in seconds since the epoch.
    """

    since: float

    def held(self, asked: Directive) -> Directive:
        """What an upstream follows meanwhile, also where it is parked: that may have an end."""
        admits = "" if asked.park is None else asked.park.admits
        park = Park(_PARK_ID, _WHO, _SENTENCE, self.since, _ENDLESS, lease=True, admits=admits)
        return replace(asked, park=park)


class Fence:
    """The fence in one worker.

    Args:
        seconds: for which the gate goes on.
        clock: seconds, on a clock that all processes of the gate share.
        wall_clock: seconds since the epoch.
        cut: called twice a second once no request may change anything any more.
        emit: takes the events.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        cut: Callable[[], None],
        emit: Emit,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._cut = cut
        self._emit = emit
        self._held: Held | None = None

    def look(self, heard_at: float) -> Held | None:
        """The fence, if it is raised; to be called twice a second.

        Args:
            heard_at: when the store has last heard of this gate; ``-inf``: never.
        """
        silent = self._clock() - heard_at
        if silent <= self._seconds:
            if self._held is not None:
                self._held = None
                self._emit(FenceLifted())
            return None
        if self._held is None:
            self._held = Held(self._wall_clock())
            self._emit(FenceRaised(self._seconds))
        if silent > 2 * self._seconds:
            self._cut()
        return self._held
