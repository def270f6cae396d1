"""One endpoint of a cluster, with its state and its history.

Three facts change independently of each other; each change is one event:

| fact       | values                       | changed by                                      |
| ---------- | ---------------------------- | ----------------------------------------------- |
| health     | unprobed, healthy, unhealthy | probes; before the first one, discovery         |
| ejection   | until a time, or none        | results of requests; the time itself            |
| membership | present, left                | discovery                                       |

``State`` is the worst of the three.  How full an endpoint is changes with every request and is
no state.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Final

from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.reports import ProbeResult, Result
from headgate.model import Api, Endpoint

NEVER: Final = -math.inf


class Health(enum.StrEnum):
    """What probes say."""

    UNPROBED = "unprobed"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class State(enum.StrEnum):
    """An endpoint's state in one word."""

    HEALTHY = "healthy"
    UNPROBED = "unprobed"
    UNHEALTHY = "unhealthy"
    EJECTED = "ejected"
    DRAINING = "draining"


class Member:
    """The facts about one endpoint, and the counts that they follow from."""

    __slots__ = (
        "apis",
        "consecutive_ejections",
        "ejected_at",
        "ejected_until",
        "ejection_reason",
        "ejections",
        "endpoint",
        "errors",
        "health",
        "health_reason",
        "health_since",
        "in_flight",
        "joined_at",
        "last_error",
        "last_error_at",
        "left_at",
        "left_reason",
        "next_probe",
        "priority",
        "probe_failures",
        "probe_latency",
        "probe_successes",
        "probed_at",
        "results",
        "returned_at",
        "version",
        "warm_at",
        "warming_since",
        "zone",
    )

    def __init__(self, endpoint: Endpoint, reason: str, now: float) -> None:
        self.endpoint = endpoint
        self.zone: str | None = None
        self.priority = 0
        self.in_flight = 0
        self.results = dict.fromkeys(Result, 0)
        self.last_error = ""
        self.last_error_at = NEVER

        self.health = Health.UNPROBED
        self.health_since = now
        self.health_reason = reason
        self.next_probe = now
        self.probed_at = NEVER
        self.probe_latency = 0.0
        self.probe_failures = 0
        self.probe_successes = 0
        self.version: str | None = None
        self.apis: Mapping[Api, str] = {}

        self.errors = 0
        """Results in a row that count towards an ejection."""
        self.ejected_at = NEVER
        self.ejected_until = NEVER
        self.ejection_reason = ""
        self.ejections = 0
        self.consecutive_ejections = 0
        """Those that lengthen the next one."""
        self.returned_at = now

        self.joined_at = now
        self.left_at: float | None = None
        self.left_reason = ""
        self.warming_since = now
        self.warm_at = now

    def is_ejected(self, now: float) -> bool:
        """Whether it is ejected."""
        return now < self.ejected_until

    def is_in_service(self, now: float) -> bool:
        """Whether it may be used, however full it is; one that is unprobed may."""
        return (
            self.left_at is None
            and self.health is not Health.UNHEALTHY
            and now >= self.ejected_until
        )

    def is_available(self, now: float, room: int) -> bool:
        """Whether it may be used and has less than ``room`` requests under way."""
        return self.in_flight < room and self.is_in_service(now)

    def judge(self, result: ProbeResult, policy: ClusterPolicy, now: float) -> Health:
        """Count the result of a probe; returns its health now.

        The first probe decides alone, and afterwards so many of a kind in a row.
        """
        decides = self.probed_at == NEVER
        self.probed_at = now
        self.probe_latency = result.latency
        self.apis = result.apis
        if result.version is not None:
            self.version = result.version
        if result.ok:
            self.probe_failures = 0
            self.probe_successes += 1
            decides |= self.probe_successes >= policy.healthy_after
            return Health.HEALTHY if decides else self.health
        self.probe_successes = 0
        self.probe_failures += 1
        self.note_error(f"probe: {result.reason}", now)
        decides |= self.probe_failures >= policy.unhealthy_after
        return Health.UNHEALTHY if decides else self.health

    def note_error(self, error: str, now: float) -> None:
        """Keep the last error."""
        self.last_error = error
        self.last_error_at = now

    def warm_up(self, now: float, seconds: float) -> None:
        """Begin its slow start."""
        self.warming_since = now
        self.warm_at = now + seconds

    def state(self, now: float) -> State:
        """The worst of the facts."""
        if self.left_at is not None:
            return State.DRAINING
        if self.is_ejected(now):
            return State.EJECTED
        return State(self.health.value)

    def since(self, now: float) -> float:
        """When ``state`` became what it is."""
        if self.left_at is not None:
            return self.left_at
        if self.is_ejected(now):
            return self.ejected_at
        return max(self.health_since, self.returned_at, self.joined_at)

    def reason(self, now: float) -> str:
        """Why ``state`` is what it is: a clause for a person."""
        if self.left_at is not None:
            return self.left_reason
        return self.ejection_reason if self.is_ejected(now) else self.health_reason
