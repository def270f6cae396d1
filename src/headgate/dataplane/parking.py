"""Holds the requests for a parked upstream in one worker, and releases them.

``UpstreamMaintenance`` knows what is asked and in which state the upstream is; here that is done to
requests.  The balancer asks ``stopped`` for each request while it is ``busy``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from headgate.cluster import Cluster, Result, Unavailable, Why
from headgate.dataplane.holds import Holds, Queued
from headgate.dataplane.local_responses import LocalResponse
from headgate.dataplane.transfers import Transfers
from headgate.maintenance import (
    Admission,
    ParkingPolicy,
    ParkState,
    ReleaseWindow,
    UpstreamMaintenance,
)
from headgate.maintenance.client_limits import retry_after
from headgate.model import Principal

_HOLD: Final = Admission.HOLD
_PASS: Final = Admission.PASS
_REFUSE: Final = Admission.REFUSE
_OK: Final = Result.OK
_CANCELLED: Final = Result.CANCELLED
_RELEASING: Final = ParkState.RELEASING

_ABANDONED: Final = frozenset({Result.CANCELLED, Result.RESET, Result.TIMEOUT})
"""The results after which MLflow may still be executing a request."""
SETTLE_SECONDS: Final = 5.0
"""How long a request counts as under way whose response nobody waits for any more, since its client
has left or its connection broke: MLflow does not learn of that, and executes it to its end."""
RELEASE_PATIENCE: Final = 30.0
"""Seconds for which a release waits for an endpoint that is in service."""


MOST_ABANDONED: Final = 1000
"""How many of them are counted."""


class Parking:
    """What operators ask of one upstream, done to the requests of one worker.

    Args:
        cluster: the endpoints.
        maintenance: what is asked.
        policy: how requests are held.
        clock: seconds from an arbitrary start.
        wall_clock: seconds since the epoch.

    Attributes:
        holds: the requests that are held.
        window: how many may be under way while they go on.
        transfers: those under way whose bytes are.
        parks: how many parks have begun since the start.
        policy: how requests are held.
        count_writes: how many requests are under way that may change something.
        known: what MLflow has responded last, by the name of the operation, where the gate answers
            for it while it is parked.
    """

    def __init__(
        self,
        cluster: Cluster,
        maintenance: UpstreamMaintenance,
        policy: ParkingPolicy,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.holds = Holds(policy)
        self.window = ReleaseWindow(policy)
        self.transfers = Transfers()
        self.parks = 0
        self.policy = policy
        self.count_writes: Callable[[], int] = _none
        self.known: dict[str, LocalResponse] = {}
        self._abandoned: deque[float] = deque(maxlen=MOST_ABANDONED)
        self._cluster = cluster
        self._maintenance = maintenance
        self._clock = clock
        self._wall_clock = wall_clock
        self._passing = False
        self._releasing = False
        self._released_at = 0.0

    @property
    def holding(self) -> bool:
        """Whether new requests are held."""
        return self._maintenance.admission is _HOLD

    @property
    def releasing(self) -> bool:
        """Whether the requests that were held go on."""
        return self._maintenance.state is _RELEASING

    def stopped(self, principal: Principal | None, *, writes: bool) -> Unavailable | None:
        """Why operators do not let a request go to MLflow now; ``None``: they do.

        Args:
            principal: who sends it; ``None``: it is the gate's own.
            writes: whether it may change something at MLflow.
        """
        maintenance = self._maintenance
        passing, self._passing = self._passing, False
        if not maintenance.asked:
            return None
        now = self.follow()
        if writes:
            refused = maintenance.writes_refused(now)
            if refused is not None:
                age, remaining = now - refused.started_at, refused.ends_at - now
                after = retry_after(age, held=False, remaining=remaining)
                return Unavailable(Why.READ_ONLY, after, maintenance.writes_refused_text(refused))
        if maintenance.admission is _PASS or passing or maintenance.passes(principal):
            return None
        return self._parked(now, held=False)

    def parked(self, *, held: bool = True) -> Unavailable:
        """What a request has met that was held in vain; ``held``: as long as it may be."""
        return self._parked(self._wall_clock(), held=held)

    def _parked(self, now: float, *, held: bool) -> Unavailable:
        maintenance = self._maintenance
        after = retry_after(maintenance.age(now), held=held, remaining=maintenance.remaining(now))
        return Unavailable(Why.PARKED, after, maintenance.parked_text(now))

    def known_answer(self, operation: str) -> LocalResponse | None:
        """What the gate answers for MLflow, if it does; ``operation``: its name."""
        return self.known.get(operation) if self._maintenance.answers else None

    def overtakes(self, operation: str) -> bool:
        """Whether a request goes on before those that wait: its client has no patience.

        MLflow may be another one by now, so the gate does not answer for it any more.
        """
        return self.releasing and operation in self.known

    def let_pass(self, parks: int) -> bool:
        """Let the request pass about which ``stopped`` is asked next, if it has been released.

        Args:
            parks: what ``parks`` was when it was released; there may have been another one since.
        """
        self._passing = self.releasing and parks == self.parks
        return self._passing

    def may_hold(self, deadline: float) -> bool:
        """Whether a request that is stopped can wait for the end of the park."""
        return self._maintenance.admission is not _REFUSE and deadline > self._clock()

    def follow(self) -> float:
        """Go on to the state of maintenance that is due; returns the time by the wall clock."""
        now, maintenance, holds = self._wall_clock(), self._maintenance, self.holds
        before, abandoned = maintenance.admission, self._count_abandoned()
        in_flight = self._cluster.in_flight + abandoned
        writing = 0
        if maintenance.read_only is not None:
            writing = self.count_writes() + abandoned
        overdue = self.releasing and self._release_age >= self.policy.release_max
        maintenance.follow(now, in_flight, len(holds) + holds.going, writing, overdue=overdue)
        if maintenance.admission is not before:
            if self.releasing:
                self.window.begin(maintenance.sharing.workers)
                self._released_at = self._clock()
            elif self.holding:
                self.parks += 1
        return now

    def on_failed(self, result: Result, now: float) -> None:
        """A request has ended at an endpoint without a good response."""
        if result in _ABANDONED:
            self._abandoned.append(now)

    def _count_abandoned(self) -> int:
        """How many requests MLflow may still be executing for which nobody waits."""
        abandoned, settled = self._abandoned, self._clock() - SETTLE_SECONDS
        while abandoned and abandoned[0] <= settled:
            abandoned.popleft()
        return len(abandoned)

    def on_finished(self, result: Result) -> None:
        """A request has ended at an endpoint."""
        if self.releasing:
            if result is not _CANCELLED:
                self.window.on_ended(well=result is _OK)
            self.release()

    def release(self) -> None:
        """Let requests that were held go on, while the window and the endpoints have room."""
        holds, cluster, window, transfers = self.holds, self._cluster, self.window, self.transfers
        if self._releasing or not (cluster.serves or self._release_age >= RELEASE_PATIENCE):
            return
        self._releasing = True  # a request that goes on may end immediately
        try:
            while (
                self.releasing
                and cluster.in_flight + holds.going - transfers.long < window.size
                and not isinstance(cluster.select(self._clock()), Unavailable)
            ):
                waiter = holds.pop(self._clock())
                if waiter is None:
                    return
                self._passing = True
                waiter.on_room()
                self._passing = False
        finally:
            self._releasing = self._passing = False

    def sweep(self, now: float) -> None:
        """What is due twice a second: holds that are over, and a turn of a release."""
        if self._maintenance.asked:
            self.follow()
        for waiter in self.holds.expire(now):
            waiter.on_wait_over()
        if self.releasing:
            self.transfers.sweep(now)
            self.window.on_turn(self._release_age, self._maintenance.sharing.workers)
            self.release()
            self.follow()
        if self._maintenance.admission is _PASS and self.holds:
            self._release_all()

    @property
    def _release_age(self) -> float:
        """Seconds since the requests that were held may go on."""
        return self._clock() - self._released_at

    def _release_all(self) -> None:
        """The release has had its time: who still waits goes to an endpoint, or waits for room."""
        for _ in range(len(self.holds)):
            waiter = self.holds.pop(self._clock())
            if waiter is not None:
                waiter.on_room()

    def deadline(self) -> float:
        """Until when a request may be held whose client begins to wait now, on the gate's clock."""
        return self._clock() + self.policy.hold

    def leave(self, waiter: Queued) -> None:
        """Hold a request no longer, if it is held."""
        self.holds.discard(waiter, self._clock())


def _none() -> int:
    """Nobody counts."""
    return 0
