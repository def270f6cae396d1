"""A cluster with its clock, and the events that it emitted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from headgate.cluster import Cluster, EndpointSnapshot, Found, ProbeResult, Result
from headgate.events import ClusterEvent, EndpointEvent
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure
from headgate.testing.clock import ManualClock
from headgate.testing.policies import cluster_policy

DNS = "dns mlflow.internal"


def endpoint(name: str) -> Endpoint:
    """The endpoint that the tests call by one letter."""
    return Endpoint(name, 5000)


class Scene:
    """A cluster whose endpoints have names of one letter; ``known`` ones are there and well."""

    def __init__(self, known: str = "", **policy: Any) -> None:
        self.clock = ManualClock()
        self.events: list[ClusterEvent] = []
        self.policy = cluster_policy(**policy)
        self.cluster = Cluster("default", self.policy, random.Random(7), self.events.append)  # noqa: S311 - no secret
        if known:
            self.finds(known)
            for name in known:
                self.probe(name)
            self.clock.advance(self.policy.slow_start)
            self.events.clear()

    # --- what happens ----------------------------------------------------------------------

    def finds(
        self,
        names: str,
        *,
        source: str = DNS,
        ttl: float | None = 10,
        zones: str = "",
        priorities: str = "",
        healthy: bool | None = None,
    ) -> None:
        """Discovery names these, in the zones and with the priorities of the same position."""
        found = [
            Found(
                endpoint(name),
                zones[at] if zones else None,
                healthy,
                priority=int(priorities[at]) if priorities else 0,
            )
            for at, name in enumerate(names)
        ]
        self.cluster.discovered(found, source, ttl, self.clock())

    def discovery_fails(self, error: str = "NXDOMAIN", source: str = DNS) -> None:
        failure = DiscoveryFailure.NAME_UNKNOWN
        self.cluster.discovery_failed(source, failure, error, self.clock())

    def probe(
        self,
        name: str,
        *,
        ok: bool = True,
        reason: str = "200",
        version: str | None = None,
    ) -> None:
        result = ProbeResult(ok, 0.01, reason, version)
        self.cluster.probed(endpoint(name), result, self.clock())

    def falls_ill(self, names: str) -> None:
        """So many probes fail as are needed."""
        for name in names:
            for _ in range(self.policy.unhealthy_after):
                self.probe(name, ok=False, reason="503")

    def request(self, name: str, result: Result, error: str = "") -> None:
        """A request goes there and ends immediately."""
        self.cluster.acquire(endpoint(name))
        self.cluster.release(endpoint(name), result, self.clock(), error)

    def requests_fail(self, name: str, times: int | None = None) -> None:
        """So many fail to connect as lead to an ejection, or ``times``."""
        for _ in range(self.policy.ejection_after if times is None else times):
            self.request(name, Result.CONNECT_FAILED, "refused")

    def fill(self, names: str) -> None:
        """So many requests are under way as there is room for."""
        for name in names:
            for _ in range(self.policy.max_in_flight):
                self.cluster.acquire(endpoint(name))

    # --- what is seen ----------------------------------------------------------------------

    def selected(self, times: int = 200, avoid: str = "") -> str:
        """The names of those that ``times`` selections choose, in alphabetical order."""
        chosen = self.selections(times, avoid)
        return "".join(sorted(set(chosen)))

    def selections(self, times: int, avoid: str = "") -> Sequence[str]:
        names = []
        for _ in range(times):
            choice = self.cluster.select(self.clock(), [endpoint(name) for name in avoid])
            assert isinstance(choice, Endpoint), choice
            names.append(choice.host)
        return names

    def available(self) -> str:
        """The names of those that the predicate holds for."""
        names = [e.endpoint[0] for e in self.cluster.snapshot(self.clock()).endpoints]
        return "".join(
            n for n in sorted(names) if self.cluster.available(endpoint(n), self.clock())
        )

    def of(self, name: str) -> EndpointSnapshot:
        """What the cluster tells of an endpoint."""
        seen = self.cluster.snapshot(self.clock()).endpoints
        return next(one for one in seen if one.endpoint == str(endpoint(name)))

    def states(self) -> dict[str, str]:
        seen = self.cluster.snapshot(self.clock()).endpoints
        return {one.endpoint[0]: one.state for one in seen}

    def told(self) -> list[str]:
        """The events since this was asked last, each as a word and the endpoint's name."""
        lines = [
            f"{type(event).__name__} {event.endpoint.host}"
            if isinstance(event, EndpointEvent)
            else type(event).__name__
            for event in self.events
        ]
        self.events.clear()
        return lines
