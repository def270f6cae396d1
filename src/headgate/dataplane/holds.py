"""The requests that one worker holds for a parked upstream.

They wait in a ``WaitQueue``, fair between principals and first in, first out within each.  Each has
a deadline of its own: when its client would give up.  How many of them go on at a time after the
park is ``ReleaseWindow``'s.
"""

from __future__ import annotations

import heapq
import math
from typing import Final, Protocol

from headgate.cluster import WaitQueue
from headgate.maintenance import HoldEnd, ParkingPolicy

_TIDY_AT: Final = 64
"""Deadlines of requests that wait no longer, beside as many as wait."""


class Queued(Protocol):
    """A request that waits: until an endpoint has room, or until a park is over."""

    def __hash__(self) -> int:
        """Each is itself only."""

    def on_room(self) -> None:
        """It may go on now: choose again."""

    def on_wait_over(self) -> None:
        """It has waited as long as it may."""

    def on_displaced(self) -> None:
        """The queue is full, and one who has fewer waiters for its weight has got this place."""


class Holds:
    """The requests that are held.

    Args:
        policy: how many may be.

    Attributes:
        going: requests that were released and have not taken a place at an endpoint yet.
    """

    def __init__(self, policy: ParkingPolicy) -> None:
        self._queue: WaitQueue[Queued] = WaitQueue(policy.queue_size, math.inf)
        self._since: dict[Queued, float] = {}
        self._deadlines: list[tuple[float, int, Queued]] = []
        self._numbered = 0
        self._ended: list[tuple[HoldEnd, float]] = []
        self.going = 0

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, waiter: object) -> bool:
        return waiter in self._since

    def put(
        self, waiter: Queued, now: float, deadline: float, flow: str, weight: float
    ) -> Queued | None:
        """Hold a request until ``deadline``; returns who has lost its place for it, if any.

        That is the request itself where there is no place for it.
        """
        lost = self._queue.put(waiter, now, flow, weight)
        if lost is waiter:
            return lost
        if lost is not None:
            self._end(lost, now, HoldEnd.DISPLACED)
        self._since[waiter] = now
        self._numbered += 1
        heapq.heappush(self._deadlines, (deadline, self._numbered, waiter))
        return lost

    def discard(self, waiter: Queued, now: float) -> None:
        """Take out one that no longer waits, if it is there."""
        if waiter in self._since:
            self._queue.discard(waiter)
            self._end(waiter, now, HoldEnd.LEFT)

    def pop(self, now: float) -> Queued | None:
        """Take out the one whose turn it is."""
        found = self._queue.pop()
        if found is None:
            return None
        self._end(found[0], now, HoldEnd.RELEASED)
        return found[0]

    def expire(self, now: float) -> list[Queued]:
        """Take out those that have waited as long as they may, longest first."""
        over = []
        while self._deadlines and self._deadlines[0][0] <= now:
            waiter = heapq.heappop(self._deadlines)[2]
            if waiter in self._since:
                self._queue.discard(waiter)
                self._end(waiter, now, HoldEnd.EXPIRED)
                over.append(waiter)
        if len(self._deadlines) > 2 * len(self._since) + _TIDY_AT:
            self._deadlines = [each for each in self._deadlines if each[2] in self._since]
            heapq.heapify(self._deadlines)
        return over

    def drain_ended(self) -> list[tuple[HoldEnd, float]]:
        """How the holds have ended since the last call, and after how many seconds."""
        ended, self._ended = self._ended, []
        return ended

    def _end(self, waiter: Queued, now: float, how: HoldEnd) -> None:
        self._ended.append((how, now - self._since.pop(waiter)))
