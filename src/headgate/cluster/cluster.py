"""The endpoints of one upstream: which there are, which are healthy, which takes the next request.

Discovery, probes and requests report here, and do the I/O that is returned.  Each change of state
is emitted as one event, in the order of time; the receiver of an event must not call back.
Ejections end by themselves: the end is emitted in the next call that has the time as an argument,
with the moment when it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final

from headgate.cluster.choice import Rng, choose
from headgate.cluster.counts import ClusterCounts
from headgate.cluster.ejection import eject, is_due, may_eject
from headgate.cluster.member import NEVER, Health, Member
from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.reports import Found, ProbeResult, Result
from headgate.cluster.retry import RetryBudget
from headgate.cluster.snapshot import ClusterSnapshot, EndpointSnapshot, SourceSnapshot
from headgate.cluster.sources import Sources
from headgate.cluster.unavailable import Unavailable, all_full, all_out, none_known
from headgate.events import (
    ClusterEvent,
    DiscoveryFailed,
    DiscoveryRecovered,
    EndpointAdded,
    EndpointEjected,
    EndpointForgotten,
    EndpointHealthy,
    EndpointLeft,
    EndpointRejoined,
    EndpointReturned,
    EndpointUnhealthy,
)
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure, Symptom, for_upstream

_OK: Final = Result.OK  # to look a member up in its class costs as much as ten attributes

LEAVE_ZONE_AFTER: Final = 2
"""Endpoints that have failed a request before it leaves the gate's own zone."""


class Cluster:
    """The endpoints of one upstream."""

    def __init__(
        self, name: str, policy: ClusterPolicy, rng: Rng, emit: Callable[[ClusterEvent], None]
    ) -> None:
        self.name = name
        self.policy = policy
        self._rng = rng
        self._emit = emit
        self._room = policy.max_in_flight
        self._sources = Sources()
        self._members: dict[Endpoint, Member] = {}
        self._in_flight = 0
        self._counts = ClusterCounts()
        self._retries = RetryBudget(policy.retry_share, policy.min_retries)
        # Derived from the members, and made anew whenever a state changes.
        self._present: list[Member] = []
        self._tiers: list[list[Member]] = []
        self._tiers_away: list[list[Member]] = []
        self._next_return = math.inf

    # --- discovery -------------------------------------------------------------------------

    def discovered(
        self, found: Sequence[Found], source: str, ttl: float | None, now: float
    ) -> None:
        """A source has named its endpoints, all of them.

        An endpoint that is named again keeps its history, ejections included: a DNS refresh never
        clears an ejection.  An endpoint that no source names any more leaves: it gets no new
        request.  An empty set counts as a failure.
        """
        if not found:
            self.discovery_failed(source, DiscoveryFailure.NO_RECORD, "no endpoint is named", now)
            return
        self._counts.discoveries += 1
        self._settle(now)
        failing_since = self._sources.named(source).take(found, ttl, now)
        if failing_since is not None:
            reason = f"responds again, after {now - failing_since:.0f} s"
            self._emit(DiscoveryRecovered(now, self.name, source, reason))
        named = self._sources.found()
        for item, by in named.values():
            member = self._join(item.endpoint, by, now)
            member.zone = item.zone
            member.priority = item.priority
            self._take_health(member, item.healthy, by, now)
        for member in self._members.values():
            if member.left_at is None and member.endpoint not in named:
                member.left_at = now
                member.left_reason = f"no longer named by {source}"
                self._emit(EndpointLeft(now, self.name, member.endpoint, member.left_reason))
        self._rebuild()
        self._settle(now)  # the ejection of one that rejoined may have ended long ago

    def discovery_failed(
        self, source: str, failure: DiscoveryFailure, error: str, now: float
    ) -> None:
        """A source could not be asked, or named nothing; what it named last still counts."""
        self._counts.discoveries_failed += 1
        self._settle(now)
        if self._sources.named(source).fail(failure, error, now):
            cure = for_upstream(failure.cure, self.name)
            self._emit(DiscoveryFailed(now, self.name, source, error, failure, cure))

    def _join(self, endpoint: Endpoint, source: str, now: float) -> Member:
        member = self._members.get(endpoint)
        if member is None:
            reason = f"named by {source}, not probed yet"
            member = self._members[endpoint] = Member(endpoint, reason, now)
            member.warm_up(now, self.policy.slow_start)
            self._emit(EndpointAdded(now, self.name, endpoint, f"named by {source}"))
        elif member.left_at is not None:
            member.returned_at += now - member.left_at  # time away is not time in service
            member.left_at = None
            member.joined_at = member.next_probe = now
            self._emit(EndpointRejoined(now, self.name, endpoint, f"named again by {source}"))
        return member

    def _take_health(self, member: Member, healthy: bool | None, source: str, now: float) -> None:
        """Take the health that discovery names until the first probe.

        For a new endpoint "healthy" does not count: services are registered before they listen.
        """
        if member.probed_at != NEVER:
            return
        if healthy is False and member.health is not Health.UNHEALTHY:
            self._set_health(member, Health.UNHEALTHY, f"unhealthy, says {source}", now)
        elif healthy and member.health is Health.UNHEALTHY:
            self._set_health(member, Health.HEALTHY, f"healthy, says {source}", now)

    def removable(self, now: float) -> list[Endpoint]:
        """The endpoints that have left and have no request under way: close their connections.

        An endpoint is named in each call until it is forgotten or comes back.  Call this every
        few seconds: the endpoints that left long ago are forgotten here.
        """
        self._settle(now)
        drained = []
        for member in list(self._members.values()):
            if member.left_at is None or member.in_flight:
                continue
            drained.append(member.endpoint)
            if now >= max(member.left_at + self.policy.memory, member.ejected_until):
                self._counts.add_results(member.results)
                del self._members[member.endpoint]
                reason = f"gone for {now - member.left_at:.0f} s"
                self._emit(EndpointForgotten(now, self.name, member.endpoint, reason))
        return drained

    # --- probes ----------------------------------------------------------------------------

    def due_probes(self, now: float) -> list[Endpoint]:
        """The endpoints to probe now; each is due again an interval later, however it ends."""
        policy = self.policy
        self._settle(now)
        if not policy.probe_interval:
            return []
        due = [member for member in self._present if member.next_probe <= now]
        for member in due:
            # Spread out, so that the probes of many workers do not fall together.
            interval = policy.probe_interval * (0.9 + 0.2 * self._rng.random())
            member.next_probe = now + max(interval, policy.probe_timeout)
        return [member.endpoint for member in due]

    def probed(self, endpoint: Endpoint, result: ProbeResult, now: float) -> None:
        """A probe is over; that of an endpoint that has left is ignored."""
        self._counts.add_probe(ok=result.ok)
        member = self._members.get(endpoint)
        if member is None or member.left_at is not None:
            return
        self._settle(now)
        health = member.judge(result, self.policy, now)
        if health is not member.health:
            self._set_health(member, health, result.reason, now, result.symptom)
            self._rebuild()

    def _set_health(
        self,
        member: Member,
        health: Health,
        reason: str,
        now: float,
        symptom: Symptom | None = None,
    ) -> None:
        member.health = health
        member.health_since = now
        member.health_reason = reason
        if health is Health.HEALTHY:
            member.warm_up(now, self.policy.slow_start)
            self._emit(EndpointHealthy(now, self.name, member.endpoint, reason))
        else:
            cure = for_upstream(symptom.cure, self.name) if symptom is not None else None
            event = EndpointUnhealthy(now, self.name, member.endpoint, reason, symptom, cure)
            self._emit(event)

    def to_fail_over(self, now: float) -> list[Endpoint]:
        """The unhealthy endpoints, while others are in service: requests there may go to these."""
        self._settle(now)
        if not self._tiers:
            return []
        unhealthy = Health.UNHEALTHY
        return [each.endpoint for each in self._members.values() if each.health is unhealthy]

    def is_lost(self, now: float) -> bool:
        """Whether the last probe or request of every endpoint has failed.

        Then they may all have been replaced, and discovery should be asked before it is due.
        """
        return all(each.errors or not each.is_in_service(now) for each in self._present)

    @property
    def serves(self) -> bool:
        """Whether an endpoint is in service, as of the last call that had the time."""
        return bool(self._tiers)

    # --- requests --------------------------------------------------------------------------

    def available(self, endpoint: Endpoint, now: float) -> bool:
        """Whether a request may go there: healthy, not ejected, not full and not draining.

        An endpoint that has not been probed yet counts as available, but ``select`` takes it only
        when no healthy one is available.
        """
        member = self._members.get(endpoint)
        return member is not None and member.is_available(now, self._room)

    def select(self, now: float, avoid: Collection[Endpoint] = ()) -> Endpoint | Unavailable:
        """The endpoint for one request.

        Healthy ones come before those not probed yet, and within each, those of a better priority
        before the others, and of the same priority those of the gate's own zone; among equals the
        choice is that of ``choose``.  Endpoints in ``avoid`` (where this request failed before)
        are taken only when there is no other; after two of them the other zones come first, since
        a whole zone may be down, and a request has few attempts.

        If the policy is to fail open, ejected and unhealthy endpoints are taken as well when none
        is in service, or only ones where this request has failed.
        """
        if now >= self._next_return:
            self._settle(now)
        tiers = self._tiers if len(avoid) < LEAVE_ZONE_AFTER else self._tiers_away
        for tier in tiers:
            member = choose(tier, self._room, now, self._rng, avoid)
            if member is not None:
                return member.endpoint
        return self._last_resort(now, avoid)

    def _last_resort(self, now: float, avoid: Collection[Endpoint]) -> Endpoint | Unavailable:
        present = self._present
        if not present:
            return none_known(self._sources.all())
        if not (self._tiers or self.policy.fail_open):
            return all_out(present, self.policy, now)
        if avoid and self.policy.fail_open:
            member = choose(present, self._room, now, self._rng, avoid)
            if member is not None:
                return member.endpoint
        tiers = self._tiers or [present]
        for tier in tiers:
            member = choose(tier, self._room, now, self._rng, ())
            if member is not None:
                return member.endpoint
        return all_full([member for tier in tiers for member in tier], self.policy)

    def acquire(self, endpoint: Endpoint) -> None:
        """Count a request as under way there; call it together with ``select``.

        Raises:
            KeyError: the endpoint is not known.
        """
        self._members[endpoint].in_flight += 1
        self._in_flight += 1

    def release(self, endpoint: Endpoint, result: Result, now: float, error: str = "") -> None:
        """Count it as over.

        Args:
            endpoint: what was acquired.
            result: how the request ended there.
            now: the time.
            error: what went wrong, a clause for a person.

        Raises:
            KeyError: the endpoint is not known.
            ValueError: nothing was under way there.
        """
        member = self._members[endpoint]
        if not member.in_flight:
            raise ValueError(f"{endpoint} was released more often than acquired")
        member.in_flight -= 1
        self._in_flight -= 1
        member.results[result] += 1
        if result is _OK:
            member.errors = 0
            return
        self._settle(now)
        if result is not Result.CANCELLED:
            member.note_error(error or result.value, now)
        due = is_due(member, result, self.policy)
        if due and may_eject(member, self._present, self.policy, now):
            self._eject(member, now)

    def _eject(self, member: Member, now: float) -> None:
        seconds = eject(member, self.policy, now)
        endpoint, reason = member.endpoint, member.ejection_reason
        row = member.consecutive_ejections
        self._emit(EndpointEjected(now, self.name, endpoint, reason, seconds, row))
        self._rebuild()

    def _settle(self, now: float) -> None:
        """End the ejections whose time is over; one that has left stays ejected."""
        if now < self._next_return:
            return
        over = [member for member in self._present if NEVER < member.ejected_until <= now]
        for member in sorted(over, key=lambda member: member.ejected_until):
            moment = max(member.ejected_until, member.joined_at)
            member.ejected_until = NEVER
            member.returned_at = moment
            member.errors = 0
            member.warm_up(moment, self.policy.slow_start)
            reason = f"after {moment - member.ejected_at:.0f} s"
            self._emit(EndpointReturned(moment, self.name, member.endpoint, reason))
        self._rebuild()

    def _rebuild(self) -> None:
        """Sort the members in service into tiers of preference."""
        zone = self.policy.zone
        tiers: dict[tuple[bool, int, bool], list[Member]] = {}
        self._present = [member for member in self._members.values() if member.left_at is None]
        self._next_return = math.inf
        for member in self._present:
            if member.ejected_until != NEVER:
                self._next_return = min(self._next_return, member.ejected_until)
            elif member.health is not Health.UNHEALTHY:
                is_remote = zone is not None and member.zone != zone
                rank = (member.health is Health.UNPROBED, member.priority, is_remote)
                tiers.setdefault(rank, []).append(member)
        self._tiers = [tiers[rank] for rank in sorted(tiers)]
        # The same with the other zones first.
        away = sorted(tiers, key=lambda rank: (rank[0], rank[1], not rank[2]))
        self._tiers_away = [tiers[rank] for rank in away]

    # --- retries, and what is seen from outside ----------------------------------------------

    def may_retry(self) -> bool:
        """Whether the budget allows one more retry; see ``retry.decide_retry``."""
        return self._retries.allows(self._in_flight)

    def retry_started(self) -> None:
        """A retry is under way."""
        self._retries.start()

    def retry_ended(self) -> None:
        """It is over.

        Raises:
            ValueError: none was under way.
        """
        self._retries.end()

    @property
    def in_flight(self) -> int:
        """Requests under way to all endpoints."""
        return self._in_flight

    def counts(self) -> ClusterCounts:
        """What has happened since the cluster was made."""
        counts = self._counts.copy()
        for member in self._members.values():
            counts.add_results(member.results)
        return counts

    def snapshot(self, now: float, waiting: int = 0) -> ClusterSnapshot:
        """The cluster at this moment; ``waiting``: how many requests are queued."""
        self._settle(now)
        endpoints = tuple(
            EndpointSnapshot.of(member, self._sources.naming(endpoint), self._room, now)
            for endpoint, member in self._members.items()
        )
        return ClusterSnapshot(
            upstream=self.name,
            available=sum(endpoint.available for endpoint in endpoints),
            in_service=sum(map(len, self._tiers)),
            failing_open=bool(self._present) and not self._tiers and self.policy.fail_open,
            in_flight=self._in_flight,
            retries=self._retries.under_way,
            waiting=waiting,
            sources=tuple(SourceSnapshot.of(source, now) for source in self._sources.all()),
            endpoints=endpoints,
        )
