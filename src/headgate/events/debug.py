"""Events that are logged only while `headgate log-level` asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class SenderIdentified(Event):
    """The sender of a request was identified, or was not; logged when the request has ended.

    Attributes:
        request_id: of the request.
        principal: the name of the sender; empty: nobody.
        principal_id: its id.
        authenticator: what identified it: `key`, `token` or `none`.
        credential: the id of the key or token.
        roles: those that count for it.
        reason: the reason code of the response.
        detail: why it was refused, if it was.
    """

    name: ClassVar[str] = "sender_identified"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.auth"

    request_id: str
    principal: str
    principal_id: str
    authenticator: str
    credential: str
    roles: tuple[str, ...]
    reason: str
    detail: str

    def message(self) -> str:
        who = (
            f"is of '{self.principal}' ({self.principal_id}, {self.authenticator})"
            if self.principal_id
            else "is of nobody that is known"
        )
        why = f": {self.detail}" if self.detail else ""
        return f"request {self.request_id} {who}; it ended with {self.reason}{why}"


@dataclass(frozen=True, slots=True)
class RequestRouted(Event):
    """What the path of a request became; logged when the request has ended.

    Attributes:
        request_id: of the request.
        method: its method.
        path: as the client wrote it, without the query.
        operation: the name of the route; none: it is not known.
        canonical_path: what was decided on.
        upstream: the name of the upstream; none: the gate responded itself.
        upstream_path: what MLflow was sent.
    """

    name: ClassVar[str] = "request_routed"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.routing"

    request_id: str
    method: str
    path: str
    operation: str | None
    canonical_path: str | None
    upstream: str | None
    upstream_path: str | None

    def message(self) -> str:
        if self.operation is None:
            return f"request {self.request_id}: {self.method} {self.path} is no known route"
        return (
            f"request {self.request_id}: {self.method} {self.path} is {self.operation}, sent to "
            f"{self.upstream or 'the gate itself'} as {self.upstream_path or self.canonical_path}"
        )


@dataclass(frozen=True, slots=True)
class EndpointsTried(Event):
    """Which endpoints a request was sent to; logged when it has ended.

    Attributes:
        request_id: of the request.
        upstream: the name of the upstream.
        endpoint: the endpoint that was tried last.
        attempts: how many were tried.
        failed: those before it, each with the cause and what exactly happened.
    """

    name: ClassVar[str] = "endpoints_tried"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.cluster"

    request_id: str
    upstream: str
    endpoint: str
    attempts: int
    failed: tuple[str, ...]

    def message(self) -> str:
        before = f" after {'; '.join(self.failed)}" if self.failed else ""
        return f"request {self.request_id}: {self.upstream} {self.endpoint}{before}"


@dataclass(frozen=True, slots=True)
class RequestTimed(Event):
    """How long each part of a request took; logged when it has ended.

    Attributes:
        request_id: of the request.
        queue: seconds in the queue of a full upstream.
        connect: seconds to open connections.
        sent_after: seconds from the head until the last attempt was sent; 0: none was.
        first_byte_after: seconds from the head to the first byte of the response; 0: none.
        total: seconds from the head to the end of the response.
    """

    name: ClassVar[str] = "request_timed"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.dataplane"

    request_id: str
    queue: float
    connect: float
    sent_after: float
    first_byte_after: float
    total: float

    def message(self) -> str:
        return (
            f"request {self.request_id}: queue {self.queue:.3f} s, connect {self.connect:.3f} s, "
            f"sent after {self.sent_after:.3f} s, first byte after {self.first_byte_after:.3f} s, "
            f"ended after {self.total:.3f} s"
        )


@dataclass(frozen=True, slots=True)
class DiscoveryAnswered(Event):
    """A source of endpoints was asked, and has answered.

    Attributes:
        upstream: its name.
        source: what was asked.
        endpoints: what it has named.
        problem: why it could not name any.
    """

    name: ClassVar[str] = "discovery_answered"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.discovery"

    upstream: str
    source: str
    endpoints: tuple[str, ...]
    problem: str | None = None

    def message(self) -> str:
        if self.problem is not None:
            return f"{self.source} of {self.upstream} names nothing: {self.problem}"
        return f"{self.source} of {self.upstream} names {', '.join(self.endpoints) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class HealthChecked(Event):
    """A health check of an endpoint has ended.

    Attributes:
        upstream: its name.
        endpoint: address and port.
        passed: whether it passed.
        detail: what was found.
        seconds: how long it took.
    """

    name: ClassVar[str] = "health_checked"
    level: ClassVar[Level] = Level.DEBUG
    logger: ClassVar[str] = "headgate.cluster"

    upstream: str
    endpoint: str
    passed: bool
    detail: str
    seconds: float

    def message(self) -> str:
        result = "passed" if self.passed else "failed"
        return (
            f"the health check of {self.endpoint} of {self.upstream} {result} after "
            f"{self.seconds:.3f} s: {self.detail}"
        )
