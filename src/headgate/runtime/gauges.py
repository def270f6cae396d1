"""How things stand in a worker, as its metrics say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from headgate.cluster import ClusterCounts, ClusterSnapshot, State
from headgate.config import Limits
from headgate.dataplane.plane import DataPlane
from headgate.limits import Tally
from headgate.maintenance import BY_STATE
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import (
    ATTEMPTS,
    CONNECTIONS,
    DISCOVERY_AGE,
    DISCOVERY_REFRESHES,
    ENDPOINTS,
    ENDPOINTS_IN_SERVICE,
    HELD,
    HOLD,
    HOLDS,
    IN_FLIGHT,
    IN_FLIGHT_LIMIT,
    MAINTENANCE_STATES,
    PARKED,
    PROBES,
    QUEUE_WAIT,
    QUEUED,
    REQUESTS_LIMITED,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LIMIT,
    WORKERS_DRAINING,
    Metric,
)
from headgate.telemetry.metrics.upstreams import FAILED, OK, READ_ONLY
from headgate.upstreams.live import LiveUpstream


class Gauges:
    """Sets the gauges of one worker, and counts what its parts have counted by themselves.

    Args:
        row: where this worker counts.
    """

    def __init__(self, row: CounterRow) -> None:
        self._row = row
        self._counted: dict[LiveUpstream, ClusterCounts] = {}

    def set(
        self,
        plane: DataPlane,
        limits: Limits,
        upstreams: Collection[LiveUpstream],
        retired: Collection[LiveUpstream],
        tally: Tally,
    ) -> None:
        """Say how things stand now.

        Args:
            plane: the data plane.
            limits: those in force.
            upstreams: those in force.
            retired: those that a reload has removed or changed, with requests still under way.
            tally: how many requests were refused because of which limit.
        """
        row, every = self._row, (*upstreams, *retired)
        row.set(CONNECTIONS, len(plane.connections))
        row.set(IN_FLIGHT, plane.in_flight)
        row.set(IN_FLIGHT_LIMIT, limits.in_flight)
        row.set(WORKERS_DRAINING, plane.draining)
        row.set(QUEUED, sum(each.balancer.queued for each in every))
        for each in every:
            for seconds in each.balancer.drain_waits():
                row.observe(QUEUE_WAIT, seconds)
            for how, seconds in each.balancer.parking.holds.drain_ended():
                row.add(HOLDS, each.name, how.value)
                row.observe(HOLD, seconds)
        for limit, count in tally.counts().items():
            row.add(REQUESTS_LIMITED, limit, amount=count)
        under_way: Counter[str] = Counter()
        for each in every:
            self._count(each)
            under_way[each.name] += each.balancer.in_flight
        for each in upstreams:
            row.use_upstream(each.name, in_force=True)
            snapshot = each.balancer.snapshot()
            self._describe(snapshot, each.balancer.room)
            self._maintain(each, snapshot.in_service)
        held: Counter[str] = Counter()
        for each in every:
            held[each.name] += len(each.balancer.parking.holds)
        for name, number in held.items():
            row.set(HELD, number, name)
        for name, number in under_way.items():
            row.set(UPSTREAM_IN_FLIGHT, number, name)
        self._forget(every)

    def _count(self, upstream: LiveUpstream) -> None:
        """Count what has happened since the last time."""
        now, before = upstream.balancer.counts(), self._counted.get(upstream, ClusterCounts())
        self._counted[upstream] = now
        name, add = upstream.name, self._add
        for result, count in now.results.items():
            add(ATTEMPTS, name, result.value, count - before.results[result])
        add(PROBES, name, OK, now.probes - before.probes)
        add(PROBES, name, FAILED, now.probes_failed - before.probes_failed)
        add(DISCOVERY_REFRESHES, name, OK, now.discoveries - before.discoveries)
        failed = now.discoveries_failed - before.discoveries_failed
        add(DISCOVERY_REFRESHES, name, FAILED, failed)

    def _add(self, metric: Metric, upstream: str, result: str, amount: int) -> None:
        if amount:
            self._row.add(metric, upstream, result, amount=amount)

    def _describe(self, snapshot: ClusterSnapshot, room: int) -> None:
        row, name = self._row, snapshot.upstream
        row.set(UPSTREAM_LIMIT, snapshot.in_service * room, name)
        states = Counter(each.state for each in snapshot.endpoints)
        for state in State:
            row.set(ENDPOINTS, states[state.value], name, state.value)
        # A source that is not looked up again, such as the configuration, has no age.
        ages = [
            age
            for each in snapshot.sources
            if each.ttl is not None or each.failing_seconds is not None
            if (age := each.failing_seconds if each.age_seconds is None else each.age_seconds)
            is not None
        ]
        if ages:
            row.set(DISCOVERY_AGE, max(ages), name)
        else:
            row.unset(DISCOVERY_AGE, name)

    def _maintain(self, upstream: LiveUpstream, in_service: int) -> None:
        """Say in which state of maintenance an upstream is.

        That it has no endpoint in service is in order while it is parked, and nobody's alarm.
        """
        row, name, maintenance = self._row, upstream.name, upstream.balancer.maintenance
        report, state = maintenance.report(), maintenance.state.value
        for each in MAINTENANCE_STATES:
            row.set(PARKED, each == state, name, each)
        row.set(PARKED, maintenance.is_read_only, name, READ_ONLY)
        if BY_STATE[report.state].health:
            row.unset(ENDPOINTS_IN_SERVICE, name)
        else:
            row.set(ENDPOINTS_IN_SERVICE, in_service, name)

    def _forget(self, every: Iterable[LiveUpstream]) -> None:
        """Take back what was said of upstreams that are gone."""
        there = set(every)
        names = {each.name for each in there}
        for gone in set(self._counted) - there:
            del self._counted[gone]
            if gone.name not in names:
                self._leave(gone.name)

    def _leave(self, name: str) -> None:
        row = self._row
        for metric in (
            UPSTREAM_IN_FLIGHT,
            UPSTREAM_LIMIT,
            ENDPOINTS_IN_SERVICE,
            DISCOVERY_AGE,
            HELD,
        ):
            row.unset(metric, name)
        for maintained in MAINTENANCE_STATES:
            row.unset(PARKED, name, maintained)
        for state in State:
            row.unset(ENDPOINTS, name, state.value)
        row.use_upstream(name, in_force=False)
