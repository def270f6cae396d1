"""What happened to an upstream, in the past tense.

One event is one change of state; whoever keeps the events knows the states without asking.
``time`` is in seconds, on the clock that the upstream itself is told the time by; ``reason`` is a
clause for a person and may name internal addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.model import Endpoint


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """Something happened to one endpoint."""

    time: float
    upstream: str
    endpoint: Endpoint
    reason: str


class EndpointAdded(EndpointEvent):
    """Discovery named an endpoint of which nothing was known; it is unprobed."""

    __slots__ = ()


class EndpointLeft(EndpointEvent):
    """Discovery no longer names it: it gets no new request."""

    __slots__ = ()


class EndpointRejoined(EndpointEvent):
    """Discovery names it again; what was known of it still counts."""

    __slots__ = ()


class EndpointForgotten(EndpointEvent):
    """It left long ago and nothing is under way there: nothing is known of it any more."""

    __slots__ = ()


class EndpointHealthy(EndpointEvent):
    """It was found well."""

    __slots__ = ()


class EndpointUnhealthy(EndpointEvent):
    """It was found unwell."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EndpointEjected(EndpointEvent):
    """Requests failed there: it gets none before ``until``.

    ``ejections``: how many in a row, this one included; the time out grows with it.
    """

    until: float
    ejections: int


class EndpointReturned(EndpointEvent):
    """Its ejection was over."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DiscoveryEvent:
    """Something happened to one source of endpoints."""

    time: float
    upstream: str
    source: str
    reason: str


class DiscoveryFailed(DiscoveryEvent):
    """A source gave no endpoints where it had, or should have, given some.

    What it named last is kept.
    """

    __slots__ = ()


class DiscoveryRecovered(DiscoveryEvent):
    """A source that had failed names endpoints again."""

    __slots__ = ()


Event = EndpointEvent | DiscoveryEvent
