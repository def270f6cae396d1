"""The states of a cluster as its events tell them, and nothing but its events."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headgate.cluster import ClusterPolicy
from headgate.events import (
    ClusterEvent,
    DiscoveryEvent,
    DiscoveryFailed,
    DiscoveryRecovered,
    EndpointAdded,
    EndpointEjected,
    EndpointEvent,
    EndpointForgotten,
    EndpointHealthy,
    EndpointLeft,
    EndpointRejoined,
    EndpointReturned,
    EndpointUnhealthy,
)
from headgate.model import Endpoint


@dataclass
class Facts:
    """What the events have told of one endpoint."""

    health: str = "unprobed"
    ejected_until: float | None = None
    present: bool = True
    ejections: int = 0
    served_since: float = -math.inf

    @property
    def in_service(self) -> bool:
        return self.present and self.ejected_until is None and self.health != "unhealthy"

    @property
    def state(self) -> str:
        if not self.present:
            return "draining"
        return "ejected" if self.ejected_until is not None else self.health


class Replay:
    """Takes the events one by one; each must change something, in the order of time."""

    def __init__(self, policy: ClusterPolicy) -> None:
        self.known: dict[Endpoint, Facts] = {}
        self.failing: set[str] = set()
        self._policy = policy
        self._now = -math.inf

    def present(self) -> list[Facts]:
        return [facts for facts in self.known.values() if facts.present]

    def states(self) -> dict[str, str]:
        return {str(endpoint): facts.state for endpoint, facts in self.known.items()}

    def take(self, event: ClusterEvent) -> None:
        assert event.time >= self._now
        assert event.reason
        assert event.upstream == "default"
        self._now = event.time
        if isinstance(event, DiscoveryEvent):
            self._take_discovery(event)
        elif isinstance(event, EndpointAdded):
            assert event.endpoint not in self.known
            self.known[event.endpoint] = Facts(served_since=event.time)
        elif isinstance(event, EndpointForgotten):
            assert not self.known.pop(event.endpoint).present
        else:
            self._take_change(event, self.known[event.endpoint])

    def _take_discovery(self, event: DiscoveryEvent) -> None:
        if isinstance(event, DiscoveryFailed):
            assert event.source not in self.failing
            self.failing.add(event.source)
        else:
            assert isinstance(event, DiscoveryRecovered)
            self.failing.remove(event.source)

    def _take_change(self, event: EndpointEvent, facts: Facts) -> None:
        match event:
            case EndpointLeft() | EndpointRejoined():
                joins = isinstance(event, EndpointRejoined)
                assert facts.present is not joins
                facts.present = joins
            case EndpointHealthy() | EndpointUnhealthy():
                health = "healthy" if isinstance(event, EndpointHealthy) else "unhealthy"
                assert facts.present
                assert facts.health != health
                facts.health = health
            case EndpointEjected():
                self._take_ejection(event, facts)
            case EndpointReturned():
                assert facts.present
                assert facts.ejected_until is not None
                assert event.time >= facts.ejected_until
                facts.ejected_until = None
                facts.served_since = event.time
            case _:
                raise AssertionError(event)

    def _take_ejection(self, event: EndpointEjected, facts: Facts) -> None:
        policy = self._policy
        assert facts.in_service
        if event.ejections == 1:
            assert not facts.ejections or event.time - facts.served_since >= policy.memory
        else:
            assert event.ejections == facts.ejections + 1
        length = min(policy.max_ejection, policy.base_ejection * 2 ** (event.ejections - 1))
        assert event.until == event.time + length
        facts.ejections = event.ejections
        facts.ejected_until = event.until
        ejected = sum(one.ejected_until is not None for one in self.present())
        assert ejected <= max(1, policy.max_ejected_share * len(self.present()))
        assert any(one.in_service for one in self.present())
