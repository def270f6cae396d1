"""The queue of requests that wait while every endpoint is full: fair between those who send them.

Each sender is a *flow* with a first-in, first-out queue and a weight.  Room goes to flows by
start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): every waiter has a start tag on a
virtual clock, ``1 / weight`` after that of the one before it in its flow, and the least tag goes
first.  The virtual clock is the tag of the last one served, and a flow that comes anew starts from
it, so what a flow did not use while it was absent is not saved up.

While ``n`` flows of equal weight wait, each gets one place in ``n``, however many waiters it has.
The queue is bounded: when it is full, the flow with the most waiters for its weight loses its
newest one ("longest queue drop"; Suter et al., INFOCOM 1998), which is the newcomer if none has
more.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


class _Flow(Generic[Waiter]):
    """The waiters of one sender, the oldest first.

    Attributes:
        start: the start tag of the oldest.
        scheduled: whether the flow is in the heap of start tags, where it stays until its turn.
    """

    __slots__ = ("scheduled", "start", "waiting", "weight")

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.start = 0.0
        self.scheduled = False
        self.waiting: Final[OrderedDict[Waiter, None]] = OrderedDict()

    @property
    def load(self) -> float:
        """Waiters for its weight."""
        return len(self.waiting) / self.weight


class WaitQueue(Generic[Waiter]):
    """Fair between flows, first in first out within each; bounded in length and in time.

    Each operation takes a time in the logarithm of the length.

    Args:
        size: how many may wait.
        timeout: for how long one may, in seconds.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size: Final = size
        self._timeout: Final = timeout
        self._virtual = 0.0
        self._numbered = 0  # ties go to the one that came first
        self._flows: Final[dict[str, _Flow[Waiter]]] = {}
        self._turns: list[tuple[float, int, _Flow[Waiter]]] = []
        # By minus the load, as it was at some time: what is out of date is put right when seen.
        self._loads: list[tuple[float, int, _Flow[Waiter]]] = []
        # Every wait is equally long, so the order of arrival is that of the deadlines.
        self._deadlines: Final[OrderedDict[Waiter, tuple[float, _Flow[Waiter]]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._deadlines)

    def put(self, waiter: Waiter, now: float, flow: str = "", weight: float = 1.0) -> Waiter | None:
        """Add a waiter at the end of its flow; returns who has lost its place, if any did.

        That is the waiter itself where there is no place for it.

        Args:
            waiter: who.
            now: in seconds from an arbitrary start.
            flow: whose it is.
            weight: of the flow, from now on; more than 0.

        Raises:
            ValueError: it is in the queue already.
        """
        if waiter in self._deadlines:
            raise ValueError(f"{waiter!r} waits already")
        own = self._flows.get(flow)
        if own is not None and own.weight != weight:
            own.weight = weight
            self._weigh(own)
        lost: Waiter | None = None
        if len(self._deadlines) >= self._size:
            waiting = 0 if own is None else len(own.waiting)
            heaviest = self._heaviest()
            if heaviest is None or heaviest.load <= (waiting + 1) / weight or heaviest is own:
                return waiter
            lost = next(reversed(heaviest.waiting))
            self.discard(lost)
            own = self._flows.get(flow)
        if own is None:
            own = self._flows[flow] = _Flow(weight)
        if not own.scheduled:
            own.start = max(own.start, self._virtual)
            self._schedule(own)
        own.waiting[waiter] = None
        self._deadlines[waiter] = (now + self._timeout, own)
        self._weigh(own)
        return lost

    def discard(self, waiter: Waiter) -> None:
        """Take out one that no longer waits, if it is there."""
        found = self._deadlines.pop(waiter, None)
        if found is not None:
            del found[1].waiting[waiter]
            self._tidy()

    def pop(self) -> tuple[Waiter, float] | None:
        """Take out the one whose turn it is; returns it, and when it joined."""
        while self._turns:
            start, _, flow = heapq.heappop(self._turns)
            flow.scheduled = False
            if not flow.waiting:  # all of them have given up
                continue
            self._virtual = start
            waiter, _ = flow.waiting.popitem(last=False)
            deadline, _ = self._deadlines.pop(waiter)
            flow.start = start + 1.0 / flow.weight
            if flow.waiting:
                self._schedule(flow)
            self._tidy()
            return waiter, deadline - self._timeout
        return None

    def expire(self, now: float) -> list[Waiter]:
        """Take out those that have waited too long, longest first."""
        expired = []
        for waiter, (deadline, _) in self._deadlines.items():
            if deadline > now:
                break
            expired.append(waiter)
        for waiter in expired:
            self.discard(waiter)
        return expired

    def _schedule(self, flow: _Flow[Waiter]) -> None:
        self._numbered += 1
        flow.scheduled = True
        heapq.heappush(self._turns, (flow.start, self._numbered, flow))

    def _weigh(self, flow: _Flow[Waiter]) -> None:
        self._numbered += 1
        heapq.heappush(self._loads, (-flow.load, self._numbered, flow))

    def _heaviest(self) -> _Flow[Waiter] | None:
        """The flow with the most waiters for its weight.

        An entry is made whenever a load grows, so that none is too low where it counts: the first
        one that is still true is the heaviest.  One that is too high is replaced by the truth.
        """
        while self._loads:
            load, _, flow = self._loads[0]
            if -load == flow.load:
                return flow
            heapq.heappop(self._loads)
            if flow.waiting and flow.load < -load:
                self._weigh(flow)
        return None

    def _tidy(self) -> None:
        """Forget what no longer matters, once that is more than what does."""
        if not self._deadlines:
            self._virtual = 0.0
            self._flows.clear()
            self._turns.clear()
            self._loads.clear()
            return
        most = 2 * len(self._deadlines) + 64
        if len(self._flows) > most or len(self._turns) > most:
            self._turns = [each for each in self._turns if each[2].waiting]
            heapq.heapify(self._turns)
            for name, flow in list(self._flows.items()):
                if not flow.waiting:
                    del self._flows[name]
        if len(self._loads) > most:
            self._loads = []
            for flow in self._flows.values():
                if flow.waiting:
                    self._weigh(flow)
