"""How a cluster judges its endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.cluster.reports import Result


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """The numbers behind the decisions; times in seconds.  The terms are Envoy's."""

    probe_interval: float = 5
    """Between two probes of one endpoint; 0: none is probed."""
    probe_timeout: float = 2
    unhealthy_after: int = 2
    """Failed probes in a row.  The very first probe of an endpoint decides alone."""
    healthy_after: int = 1
    """Successful probes in a row."""

    ejecting: frozenset[Result] = frozenset({Result.CONNECT_FAILED, Result.RESET})
    """The results that count towards an ejection."""
    ejection_after: int = 3
    """Such results in a row."""
    base_ejection: float = 10
    """The first ejection's length; each further one lasts twice as long as the one before."""
    max_ejection: float = 300
    max_ejected_share: float = 0.5
    """Of the endpoints present; 0: none is ever ejected.  One of two may go all the same, the last
    in service never."""
    memory: float = 300
    """How long the past counts: ejections of an endpoint that has served for so long since no
    longer lengthen its next one, and an endpoint that left so long ago is forgotten."""

    max_in_flight: int = 256
    """Requests under way at one endpoint, in each worker."""
    queue_size: int = 256
    """Requests that may wait while every endpoint is full."""
    queue_timeout: float = 10

    retry_share: float = 0.2
    """Retries under way, as a share of all requests under way."""
    min_retries: int = 3
    """Retries that may be under way however few the requests are."""

    slow_start: float = 10
    """Time over which an endpoint new in service comes to its full share of requests."""
    zone: str | None = None
    """The gate's own zone: endpoints there are preferred."""
    fail_open: bool = True
    """Where no endpoint is in service, use those that are not, as Cloud Map and Envoy's panic
    mode do: a broken probe must not take down what works."""
