"""How a cluster judges its endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.cluster.reports import Result


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """The numbers behind the decisions; times in seconds.  The terms are Envoy's."""

    probe_interval: float
    """Between two probes of one endpoint; 0: none is probed."""
    probe_timeout: float
    unhealthy_after: int
    """Failed probes in a row.  The very first probe of an endpoint decides alone."""
    healthy_after: int
    """Successful probes in a row."""

    ejecting: frozenset[Result]
    """The results that count towards an ejection."""
    ejection_after: int
    """Such results in a row."""
    base_ejection: float
    """The first ejection's length; each further one lasts twice as long as the one before."""
    max_ejection: float
    max_ejected_share: float
    """Of the endpoints present; 0: none is ever ejected.  One of two may go all the same, the last
    in service never."""
    memory: float
    """How long the past counts: ejections of an endpoint that has served for so long since no
    longer lengthen its next one, and an endpoint that left so long ago is forgotten."""

    max_in_flight: int
    """Requests under way at one endpoint, in each worker."""
    queue_size: int
    """Requests that may wait while every endpoint is full."""
    queue_timeout: float

    retry_share: float
    """Retries under way, as a share of all requests under way."""
    min_retries: int
    """Retries that may be under way however few the requests are."""

    slow_start: float
    """Time over which an endpoint new in service comes to its full share of requests."""
    zone: str | None
    """The gate's own zone: endpoints there are preferred."""
    fail_open: bool
    """Where no endpoint is in service, use those that are not, as Cloud Map and Envoy's panic
    mode do: a broken probe must not take down what works."""
