"""Events of connections and requests: handshakes, limits, retries, lost log lines."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate.events.event import Event, Level
from headgate.model import AttemptFailure


class TurnedAway(enum.Enum):
    """Why a connection is not taken; the value is for a person."""

    LIMIT = "limits.connections is reached"
    STRANGERS = "one address has half of limits.connections without having shown a good key"


class CutLimit(enum.StrEnum):
    """The limit because of which the gate closed a connection of a client, or took none.

    ``CONNECTIONS``: ``limits.connections``.  ``STRANGERS``: one address has half of them without a
    good key.  ``HEADER_TIMEOUT``: the head did not come in time, or nothing at all.
    ``KEEPALIVE_TIMEOUT``: no further request came; that is usual.  ``BODY_TIMEOUT``: too little of
    the body came.  ``SLOW_READER``: the client took too little of the response.
    ``UNFINISHED_HEADS``: all heads that are not complete took too much memory.  ``DRAIN_TIMEOUT``:
    a request did not end before the worker did.  ``OPS_CONNECTIONS``: the operators' listener was
    full, and this connection had no request.  ``PROXY_NETWORK``: a PROXY header is
    required, and the connection came from a network that may not send one.  ``PROXY_HEADER``: its
    header was missing or wrong; one that was late counts as ``HEADER_TIMEOUT``.
    """

    CONNECTIONS = "connections"
    STRANGERS = "strangers"
    HEADER_TIMEOUT = "header_timeout"
    KEEPALIVE_TIMEOUT = "keepalive_timeout"
    BODY_TIMEOUT = "body_timeout"
    SLOW_READER = "slow_reader"
    UNFINISHED_HEADS = "unfinished_heads"
    DRAIN_TIMEOUT = "drain_timeout"
    OPS_CONNECTIONS = "ops_connections"
    PROXY_NETWORK = "proxy_network"
    PROXY_HEADER = "proxy_header"


class ProxyProtocolFailure(enum.StrEnum):
    """Why a connection was closed that had to begin with a PROXY header.

    ``NETWORK``: it came from a network that is not listed.  ``MISSING``: it began with something
    else.  ``MALFORMED``: its header was wrong, or broke off.  ``TIMEOUT``: its header was not
    complete in time.
    """

    NETWORK = "network"
    MISSING = "missing"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"


class HandshakeFailure(enum.StrEnum):
    """Why a TLS handshake with a client failed.

    ``NOT_TLS``: the client uses plain HTTP, or something else.  ``PROTOCOL_VERSION``: it knows only
    versions before TLS 1.2.  ``NO_SHARED_CIPHER``: no cipher suite, or none for the key of the
    gate's certificate.  ``NO_CLIENT_CERTIFICATE``: it has shown none.  ``UNKNOWN_CA``: none that an
    authority of ``listen.tls.client_ca`` has signed.  ``EXPIRED_CERTIFICATE``: one that has ended,
    or is not valid yet.  ``BAD_CERTIFICATE``: one that is wrong in another way.
    ``GATE_CERTIFICATE_REFUSED``: the client does not accept the gate's own.  ``TIMEOUT``: it did
    not finish in time.  ``CLIENT_CLOSED``: it left.  ``OTHER``: the event log has OpenSSL's words.
    """

    NOT_TLS = "not_tls"
    PROTOCOL_VERSION = "protocol_version"
    NO_SHARED_CIPHER = "no_shared_cipher"
    NO_CLIENT_CERTIFICATE = "no_client_certificate"
    UNKNOWN_CA = "unknown_ca"
    EXPIRED_CERTIFICATE = "expired_certificate"
    BAD_CERTIFICATE = "bad_certificate"
    GATE_CERTIFICATE_REFUSED = "gate_certificate_refused"
    TIMEOUT = "timeout"
    CLIENT_CLOSED = "client_closed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TlsHandshakeFailed(Event):
    """TLS handshakes of clients failed: the first of a cause, then their number in a minute.

    Attributes:
        client: the address of the last client.
        cause: why, as `headgate_tls_handshake_failures_total` counts it.
        count: how many handshakes failed so since the last such event of this worker.
        detail: why the last one failed, mostly in OpenSSL's words.
    """

    name: ClassVar[str] = "tls_handshake_failed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    client: str
    cause: HandshakeFailure
    count: int
    detail: str

    def message(self) -> str:
        return (
            f"TLS handshakes that failed: {self.count}, the last with {self.client}: {self.detail}"
        )


@dataclass(frozen=True, slots=True)
class AcceptPaused(Event):
    """The system cannot give the TLS listener another connection; it accepts none for a moment.

    Attributes:
        seconds: for how long.
        reason: why, in the system's words.
    """

    name: ClassVar[str] = "accept_paused"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    seconds: float
    reason: str

    def message(self) -> str:
        return f"no connection is accepted for {self.seconds:g} s: {self.reason}"


@dataclass(frozen=True, slots=True)
class ConnectionsTurnedAway(Event):
    """Connections were closed because of a limit; one event for each limit in a second.

    Attributes:
        client: the address of the last client.
        cause: the limit.
        count: how many connections since the last such event.
    """

    name: ClassVar[str] = "connections_turned_away"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.dataplane"

    client: str
    cause: TurnedAway
    count: int

    def message(self) -> str:
        return (
            f"{self.count} connections turned away, the last from {self.client}: {self.cause.value}"
        )


class Reconciled(enum.StrEnum):
    """What has come of a create in doubt that was sent again.

    ``RESPONSE``: it was answered with the response that MLflow had given.  ``RUN``: with the run,
    or the logged model, that MLflow has.  The others were sent to MLflow as new.  ``NONE``: it
    has none.  ``SEVERAL``: it has more than can be told apart.  ``REFUSED``: it does not let the
    gate search.  But for ``UNKNOWN``: it could not be asked, and the client is to come again.
    ``HELD``: the upstream is parked, and the search waits as the request does.
    """

    RESPONSE = "response"
    RUN = "run"
    NONE = "none"
    SEVERAL = "several"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class CreateReconciled(Event):
    """A create in doubt, whose response may not have reached its client, was sent again.

    Attributes:
        request_id: of the request that sent it again, as in the access log.
        upstream: the upstream that it is for.
        operation: what creates, such as ``runs/create``.
        result: what has come of it.
        seconds: how long that took.
    """

    name: ClassVar[str] = "create_reconciled"
    logger: ClassVar[str] = "headgate.dataplane"

    request_id: str
    upstream: str
    operation: str
    result: Reconciled
    seconds: float

    def message(self) -> str:
        return (
            f"request {self.request_id} repeats {self.operation} at {self.upstream}, whose "
            f"response may have been lost: {_RECONCILED[self.result]}"
        )


_RECONCILED: Final = {
    Reconciled.RESPONSE: "it is answered with that response",
    Reconciled.RUN: "it is answered with what MLflow has created",
    Reconciled.NONE: "MLflow has created nothing, so it is sent as a new one",
    Reconciled.SEVERAL: "MLflow has several alike, so it is sent as a new one",
    Reconciled.REFUSED: "MLflow does not let Headgate search, so it is sent as a new one",
    Reconciled.UNKNOWN: "MLflow could not be asked, so the client is to come again",
    Reconciled.HELD: "the upstream is parked, so it waits",
}


@dataclass(frozen=True, slots=True)
class ProxyProtocolRefused(Event):
    """Connections had no valid PROXY header: the first of a cause, then their number in a minute.

    Attributes:
        client: the address that the last of them came from.
        cause: why.
        count: how many were closed so since the last such event of this worker.
        detail: what was wrong with the last one.
    """

    name: ClassVar[str] = "proxy_protocol_refused"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.dataplane"

    client: str
    cause: ProxyProtocolFailure
    count: int
    detail: str

    def message(self) -> str:
        return (
            f"connections closed for want of a PROXY header: {self.count}, the last from "
            f"{self.client}: {self.detail}"
        )


@dataclass(frozen=True, slots=True)
class RequestRetried(Event):
    """A request is sent again, to another endpoint where there is one.

    Attributes:
        request_id: of the request, as in the access log.
        upstream: the upstream that it is for.
        endpoint: where the attempt failed.
        cause: how it failed.
        reason: the same in words.
    """

    name: ClassVar[str] = "request_retried"
    logger: ClassVar[str] = "headgate.dataplane"

    request_id: str
    upstream: str
    endpoint: str
    cause: AttemptFailure
    reason: str

    def message(self) -> str:
        return (
            f"request {self.request_id} is sent again, to another endpoint of {self.upstream} "
            f"where there is one: {self.endpoint} failed ({self.cause.value}): {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class BodyReaderFailed(Event):
    """The helper process that reads large request bodies failed; the request is refused.

    Attributes:
        reason: how.
    """

    name: ClassVar[str] = "body_reader_failed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    reason: str

    def message(self) -> str:
        return f"the process that reads large bodies has failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class DescriptorsLimited(Event):
    """The system allows fewer open files than the configured limits can need.

    Attributes:
        connections: ``limits.connections``.
        in_flight: ``limits.in_flight``.
        needed: how many open files they can need.
        allowed: how many the system allows.
    """

    name: ClassVar[str] = "descriptors_limited"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    connections: int
    in_flight: int
    needed: int
    allowed: int

    def message(self) -> str:
        return (
            f"limits.connections ({self.connections}) and limits.in_flight ({self.in_flight}) need "
            f"{self.needed} open files, and the system allows {self.allowed}: raise its limit "
            "(ulimit -n), or lower them"
        )


@dataclass(frozen=True, slots=True)
class DescriptorsExhausted(Event):
    """No file can be opened, so new connections are closed; at most one event in a minute.

    Attributes:
        reason: which limit is reached.
    """

    name: ClassVar[str] = "descriptors_exhausted"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    reason: str

    def message(self) -> str:
        return (
            f"out of file descriptors: {self.reason}; new connections are closed. Raise the limit "
            "(ulimit -n), or lower limits.connections"
        )


@dataclass(frozen=True, slots=True)
class DescriptorsAvailable(Event):
    """Files can be opened again."""

    name: ClassVar[str] = "descriptors_available"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "files can be opened again"


class Log(enum.StrEnum):
    """The logs of a gate: one line for each request; events; metrics for CloudWatch."""

    ACCESS = "access"
    EVENTS = "events"
    METRICS = "metrics"


class LossCause(enum.StrEnum):
    """Why lines of a log are lost.

    ``STALLED``: its reader does not read.  ``FULL``: the disk is full.  ``GONE``: its reader is
    gone.  ``ERROR``: any other reason.
    """

    STALLED = "stalled"
    FULL = "full"
    GONE = "gone"
    ERROR = "error"


_CLAUSES = {
    LossCause.STALLED: "nothing reads it",
    LossCause.FULL: "the disk is full",
    LossCause.GONE: "its reader is gone",
    LossCause.ERROR: "it cannot be written",
}


@dataclass(frozen=True, slots=True)
class LogLinesLost(Event):
    """Lines of the access log are lost; at most one event in a minute.

    Attributes:
        log: the log.
        cause: why.
        lines: how many since the last such event.
        problem: the system's error, if there was one.
    """

    name: ClassVar[str] = "log_lines_lost"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.telemetry"

    log: Log
    cause: LossCause
    lines: int
    problem: str | None

    def message(self) -> str:
        detail = f" ({self.problem})" if self.problem else ""
        return f"{self.lines} lines of the {self.log} log are lost: {_CLAUSES[self.cause]}{detail}"
