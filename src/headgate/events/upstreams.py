"""Events of upstreams: their endpoints, and how these are found.

One event is one change of state, so that a consumer of the events knows the states without asking.
``time`` is in seconds, on the clock that the upstream is given; ``reason`` is a clause for a person
and may name internal addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure, Symptom


@dataclass(frozen=True, slots=True)
class EndpointEvent(Event):
    """Something happened to one endpoint.

    Attributes:
        upstream: the name of the upstream.
        endpoint: address and port.
        reason: why.
    """

    logger: ClassVar[str] = "headgate.cluster"

    time: float
    upstream: str
    endpoint: Endpoint
    reason: str

    def message(self) -> str:
        change = self.name.removeprefix("endpoint_")
        return f"{self.endpoint} of {self.upstream}: {change}: {self.reason}"


class EndpointAdded(EndpointEvent):
    """Discovery named an endpoint that was not known; it has not been probed yet."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_added"


class EndpointLeft(EndpointEvent):
    """Discovery no longer names the endpoint: it gets no new request."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_left"


class EndpointRejoined(EndpointEvent):
    """Discovery names the endpoint again; its health and ejections from before still count."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_rejoined"


class EndpointForgotten(EndpointEvent):
    """The endpoint left long ago and no request is under way there: its history is dropped."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_forgotten"


class EndpointHealthy(EndpointEvent):
    """The endpoint passed its health check, or discovery says that it is healthy."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_healthy"


@dataclass(frozen=True, slots=True)
class EndpointUnhealthy(EndpointEvent):
    """The endpoint failed its health check, or discovery says that it is unhealthy.

    Attributes:
        symptom: what kind of failure it is, where that is known.
        cure: what helps against it.
    """

    name: ClassVar[str] = "endpoint_unhealthy"
    level: ClassVar[Level] = Level.WARNING

    symptom: Symptom | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointEjected(EndpointEvent):
    """Requests to the endpoint failed: it gets none for a while.

    Attributes:
        seconds: for how long.
        ejections: how many in a row, this one included; the time grows with it.
    """

    name: ClassVar[str] = "endpoint_ejected"
    level: ClassVar[Level] = Level.WARNING

    seconds: float
    ejections: int

    @property
    def until(self) -> float:
        """When the ejection ends, on the clock of ``time``."""
        return self.time + self.seconds


class EndpointReturned(EndpointEvent):
    """The ejection of the endpoint is over."""

    __slots__ = ()
    name: ClassVar[str] = "endpoint_returned"


@dataclass(frozen=True, slots=True)
class DiscoveryEvent(Event):
    """Something happened to one source of endpoints.

    Attributes:
        upstream: the name of the upstream.
        source: where its endpoints are looked up.
        reason: why.
    """

    logger: ClassVar[str] = "headgate.cluster"

    time: float
    upstream: str
    source: str
    reason: str

    def message(self) -> str:
        change = self.name.removeprefix("discovery_")
        return f"{self.source} of {self.upstream}: {change}: {self.reason}"


@dataclass(frozen=True, slots=True)
class DiscoveryFailed(DiscoveryEvent):
    """A source gave no endpoints; those that it gave last stay in use.

    Attributes:
        symptom: what kind of failure it is.
        cure: what helps against it.
    """

    name: ClassVar[str] = "discovery_failed"
    level: ClassVar[Level] = Level.WARNING

    symptom: DiscoveryFailure
    cure: str


class DiscoveryRecovered(DiscoveryEvent):
    """A source that had failed gives endpoints again."""

    __slots__ = ()
    name: ClassVar[str] = "discovery_recovered"


ClusterEvent = EndpointEvent | DiscoveryEvent


@dataclass(frozen=True, slots=True)
class AddressesRefused(Event):
    """A host name has addresses at which no MLflow can be; they are not used.

    Attributes:
        host: the name.
        addresses: the addresses.
    """

    name: ClassVar[str] = "addresses_refused"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.discovery"

    host: str
    addresses: tuple[str, ...]

    def message(self) -> str:
        names = ", ".join(self.addresses)
        return f"{self.host} names {names}, link-local or such as MLflow never has"


@dataclass(frozen=True, slots=True)
class NameServersChanged(Event):
    """The file that names the system's DNS servers has changed; the new ones are asked.

    Attributes:
        file: the file.
        servers: the DNS servers.
    """

    name: ClassVar[str] = "name_servers_changed"
    logger: ClassVar[str] = "headgate.discovery"

    file: str
    servers: tuple[str, ...]

    def message(self) -> str:
        return f"{self.file} was read again: DNS servers {', '.join(self.servers)}"


@dataclass(frozen=True, slots=True)
class NameServersUnusable(Event):
    """The file that names the system's DNS servers has changed and names none that can be asked.

    Attributes:
        file: the file.
        reason: why; the servers that it named before are asked.
    """

    name: ClassVar[str] = "name_servers_unusable"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.discovery"

    file: str
    reason: str

    def message(self) -> str:
        return f"{self.file} names no DNS server that can be asked: {self.reason}"


@dataclass(frozen=True, slots=True)
class UpstreamVersionFound(Event):
    """The oldest MLflow version among the endpoints has changed; requests are translated for it.

    Attributes:
        upstream: the name of the upstream.
        version: the version.
    """

    name: ClassVar[str] = "upstream_version_found"
    logger: ClassVar[str] = "headgate.cluster"

    upstream: str
    version: str

    def message(self) -> str:
        return f"upstream {self.upstream} runs MLflow {self.version}"


@dataclass(frozen=True, slots=True)
class UpstreamRetired(Event):
    """A reload has removed or changed an upstream: it gets no new request.

    Attributes:
        upstream: the name of the upstream.
        reason: why.
    """

    name: ClassVar[str] = "upstream_retired"
    logger: ClassVar[str] = "headgate.runtime"

    upstream: str
    reason: str

    def message(self) -> str:
        return f"upstream {self.upstream} is retired: {self.reason}"
