"""Balances requests over the endpoints of one upstream, and pools the connections to each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from headgate.cluster import (
    Cluster,
    ClusterCounts,
    ClusterSnapshot,
    Result,
    Unavailable,
    WaitQueue,
    Why,
)
from headgate.dataplane import failures
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.creates import CreateFinder
from headgate.dataplane.holds import Queued
from headgate.dataplane.parking import Parking
from headgate.dataplane.terms import UpstreamTerms
from headgate.errors import Refusal
from headgate.maintenance import ParkingPolicy, UpstreamMaintenance
from headgate.model import Endpoint, Principal
from headgate.reasons import Reason
from headgate.symptoms import DiscoveryFailure, ExchangeFailure, Symptom

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Result.OK
_CONNECT_FAILED: Final = Result.CONNECT_FAILED
_RESET: Final = Result.RESET
_FULL: Final = Why.FULL
_PARKED: Final = Why.PARKED


def equal_weight(_principal: Principal) -> float:
    """The same weight for every principal."""
    return 1.0


class Balancer:
    """Chooses an endpoint for each request, and keeps a pool of connections for each endpoint.

    Args:
        cluster: decides which endpoint takes a request.
        make_pool: makes the pool for an endpoint.
        terms: on which the upstream is spoken to; ``terms`` is replaced when they change.
        clock: seconds from an arbitrary start.
        names: further names (``host:port``, lower case) by which the upstream is known inside.
        on_lost: called when a request has failed and no known endpoint responds any more.
        weigh: the weight of a principal's requests in the queue.
        maintenance: what operators ask of the upstream; by default nothing ever is.
        parking: how requests are held while it is parked.
        wall_clock: seconds since the epoch.

    Attributes:
        maintenance: what operators ask of the upstream.
        parking: does that to requests.
        busy: each request must be looked at: something is asked of the upstream, or some wait.
    """

    def __init__(
        self,
        cluster: Cluster,
        make_pool: Callable[[Endpoint], Pool],
        *,
        terms: UpstreamTerms,
        clock: Callable[[], float],
        names: frozenset[str] = frozenset(),
        on_lost: Callable[[], None] | None = None,
        weigh: Callable[[Principal], float] = equal_weight,
        maintenance: UpstreamMaintenance | None = None,
        parking: ParkingPolicy | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.terms = terms
        self.creates: CreateFinder | None = None
        self.name = cluster.name
        self.queue_timeout = cluster.policy.queue_timeout
        self.maintenance = maintenance or UpstreamMaintenance(cluster.name)
        self.maintenance.on_change = self._on_asked
        self.parking = Parking(
            cluster, self.maintenance, parking or ParkingPolicy(), clock, wall_clock
        )
        self.busy = False
        self._cluster = cluster
        self._on_lost = on_lost
        self._weigh = weigh
        self._waits: list[float] = []
        self._make_pool = make_pool
        self._clock = clock
        self._names = names
        self._pools: dict[Endpoint, Pool] = {}
        self._serving = False
        self._queue: WaitQueue[Queued] = WaitQueue(cluster.policy.queue_size, self.queue_timeout)

    @property
    def authorities(self) -> frozenset[str]:
        """The names (``host:port``, lower case) that no client may be shown."""
        return self._names.union(*(pool.authorities for pool in self._pools.values()))

    def choose(
        self,
        tried: Collection[Endpoint] = (),
        principal: Principal | None = None,
        writes: bool = False,
    ) -> Pool | Unavailable:
        """The pool of an endpoint that may take one more request, which counts from now.

        Each pool that is returned must be given to ``finish`` exactly once.

        Args:
            tried: the endpoints where this request failed before.
            principal: who sends it; ``None``: it is the gate's own.
            writes: whether it may change something at MLflow.
        """
        if self.busy:
            stopped = self.parking.stopped(principal, writes=writes)
            if stopped is not None:
                return stopped
            if self._queue:
                self._serve_queue()  # there may be room at an endpoint that is new or healthy again
        cluster = self._cluster
        found = cluster.select(self._clock(), tried)
        if isinstance(found, Unavailable):
            return found
        cluster.acquire(found)
        return self._pools.get(found) or self.pool(found)

    def pool(self, endpoint: Endpoint) -> Pool:
        """The connections to an endpoint, chosen or not."""
        pool = self._pools.get(endpoint)
        if pool is None:
            pool = self._pools[endpoint] = self._make_pool(endpoint)
        return pool

    def finish(self, pool: Pool, result: Result, error: str = "") -> None:
        """Report how a request ended at an endpoint; ``error`` is a clause for a person."""
        now = self._clock()
        self._cluster.release(pool.endpoint, result, now, error)
        if result is not _OK:
            if result is _CONNECT_FAILED or result is _RESET:
                self._look_again(now)
            self.parking.on_failed(result, now)
        if self.busy:
            self._on_finished(result)

    def _on_finished(self, result: Result) -> None:
        """There may be room for one that waits."""
        self.parking.on_finished(result)
        if self._queue:
            self._serve_queue()

    def _serve_queue(self) -> None:
        """Let queued requests go on while there is room, in their turn."""
        if self._serving:  # a request that goes on may end immediately, or choose
            return
        self._serving = True
        try:
            while not isinstance(self._cluster.select(self._clock()), Unavailable):
                found = self._queue.pop()
                if found is None:
                    return
                waiter, since = found
                self._waits.append(self._clock() - since)
                waiter.on_room()
        finally:
            self._serving = False

    def _look_again(self, now: float) -> None:
        if self._on_lost is not None and self._cluster.is_lost(now):
            self._on_lost()

    def has_other(self, tried: Collection[Endpoint]) -> bool:
        """Whether an endpoint would be chosen now where a request has not been ``tried``."""
        found = self._cluster.select(self._clock(), tried)
        return isinstance(found, Endpoint) and found not in tried

    def may_retry(self) -> bool:
        """Whether the budget for retries allows one more."""
        return self._cluster.may_retry()

    def retry_started(self) -> None:
        """A retry is under way."""
        self._cluster.retry_started()

    def retry_ended(self) -> None:
        """It is over."""
        self._cluster.retry_ended()

    def queue(
        self, waiter: Queued, why: Unavailable, principal: Principal, deadline: float = math.inf
    ) -> bool:
        """Let a request wait where that can help; returns whether it does.

        Another one may lose its place for it: both queues are fair between principals.

        Args:
            waiter: the request.
            why: what it waits for: that an endpoint has room, or that a park is over.
            principal: who sends it.
            deadline: until when it can wait for the end of a park.
        """
        now, weight = self._clock(), self._weigh(principal)
        if why.why is _FULL:
            lost = self._queue.put(waiter, now, principal.id, weight)
        elif why.why is _PARKED and self.parking.may_hold(deadline):
            lost = self.parking.holds.put(waiter, now, deadline, principal.id, weight)
        else:
            return False
        if lost is waiter:
            return False
        self.busy = True
        if lost is not None:
            lost.on_displaced()
        if self.parking.releasing:
            self.parking.release()  # it may be its turn already
        return True

    @property
    def queued(self) -> int:
        """How many requests wait for room."""
        return len(self._queue)

    def drain_waits(self) -> list[float]:
        """For how many seconds each request has waited that has got room since the last call."""
        waits, self._waits = self._waits, []
        return waits

    def leave(self, waiter: Queued) -> None:
        """Take a request out of the queue, or let it be held no longer."""
        self._queue.discard(waiter)
        self.parking.leave(waiter)

    def _on_asked(self) -> None:
        """Operators ask for something else."""
        self.busy = True
        self.parking.follow()
        if self.parking.holding:
            # Those that wait for room wait for the end of the park from now on.
            for _ in range(len(self._queue)):
                found = self._queue.pop()
                if found is not None:
                    found[0].on_room()

    def sweep(self) -> None:
        """What is due twice a second: aged connections, expired waits, endpoints that have left."""
        now = self._clock()
        for pool in tuple(self._pools.values()):  # what ends here may begin elsewhere
            pool.sweep()
        for endpoint in self._cluster.to_fail_over(now):
            down = self._pools.get(endpoint)
            if down is not None:
                down.fail_over()
        if self._queue:
            self._serve_queue()
        for waiter in self._queue.expire(now):
            waiter.on_wait_over()
        if self.busy:
            self.parking.sweep(now)
            holds = self.parking.holds
            self.busy = self.maintenance.asked or len(self._queue) > 0 or len(holds) > 0
        for endpoint in self._cluster.removable(now):
            gone = self._pools.pop(endpoint, None)
            if gone is not None:
                gone.close()

    def snapshot(self) -> ClusterSnapshot:
        """The cluster at this moment, for the health pages."""
        found = self._cluster.snapshot(self._clock(), len(self._queue))
        maintenance = self.maintenance
        if not maintenance.asked:
            return found
        return replace(
            found,
            maintenance=maintenance.state.value if maintenance.is_parked else "",
            held=len(self.parking.holds),
            read_only=maintenance.is_read_only,
        )

    @property
    def in_flight(self) -> int:
        """Requests under way to all endpoints."""
        return self._cluster.in_flight

    @property
    def room(self) -> int:
        """How many requests may be under way at one endpoint."""
        return self._cluster.policy.max_in_flight

    def counts(self) -> ClusterCounts:
        """What has happened in the cluster since it was made."""
        return self._cluster.counts()

    @property
    def size(self) -> int:
        """Open connections to all endpoints."""
        return sum(pool.size for pool in self._pools.values())

    def retire(self) -> None:
        """Keep no connection longer than the exchange it serves: nothing new will come."""
        for pool in self._pools.values():
            pool.retire()

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()


def refusal(unavailable: Unavailable, *, sent: bool = False) -> Refusal:
    """The refusal when no endpoint is available; ``sent``: an attempt was lost before."""
    if unavailable.why is Why.PARKED:
        return failures.parked(unavailable.text, unavailable.retry_after, sent=sent)
    if unavailable.why is Why.READ_ONLY:
        return failures.read_only(unavailable.text, unavailable.retry_after, sent=sent)
    so_far = failures.so_far(sent)
    if unavailable.why is Why.FULL:
        return Refusal(
            Reason.OVERLOADED,
            f"Headgate is busy: {unavailable.text}. {so_far}; send this request again in a moment.",
            retry_after=unavailable.retry_after,
            detail=unavailable.text,
        )
    symptom: Symptom = ExchangeFailure.NO_ENDPOINT
    if unavailable.why is Why.NONE_KNOWN:
        symptom = unavailable.failure or DiscoveryFailure.OTHER
    return Refusal(
        symptom.reason,
        f"Headgate has no MLflow server to send this to: {unavailable.text}. {symptom.cause}; "
        f"`headgate doctor` on the gate's machine shows what is wrong. {so_far}; send this "
        "request again in a moment.",
        retry_after=unavailable.retry_after,
        detail=unavailable.text,
    )
