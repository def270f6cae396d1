"""How a request ends, and the steps that it goes through."""

from __future__ import annotations

import enum
from typing import Final

from headgate.model.operation import Operation
from headgate.model.principal import Principal
from headgate.model.trace import SpanContext
from headgate.reasons import Reason


class Phase(enum.StrEnum):
    """The steps of a request's life, in order (docs/explanation/architecture.md)."""

    ACCEPT = "accept"
    PARSE = "parse"
    CANONICALISE = "canonicalise"
    CLASSIFY = "classify"
    AUTHENTICATE = "authenticate"
    AUTHORISE = "authorise"
    ADMIT = "admit"
    SELECT = "select"
    FORWARD = "forward"
    RESPOND = "respond"
    ACCOUNT = "account"


class Source(enum.StrEnum):
    """Whose response a client was sent."""

    MLFLOW = "mlflow"
    GATE = "gate"
    NONE = "none"


class AttemptFailure(enum.StrEnum):
    """Why an attempt at an endpoint had to be repeated."""

    CONNECT_FAILED = "connect_failed"
    RESET = "reset"
    TIMEOUT = "timeout"
    ENDPOINT_DOWN = "endpoint_down"


class FailedAttempt:
    """An attempt that another one followed, or was to follow had there been an endpoint.

    Attributes:
        endpoint: address and port.
        failure: why it had to be repeated.
        detail: the same in words, for operators.
        began: seconds from the request's head until the endpoint was chosen.
        ended: seconds from the request's head until it had failed.
        span_id: of the attempt's span, 16 hexadecimal digits; empty where nothing is traced.
    """

    __slots__ = ("began", "detail", "ended", "endpoint", "failure", "span_id")

    def __init__(
        self,
        endpoint: str,
        failure: AttemptFailure,
        detail: str,
        began: float,
        ended: float,
        span_id: bytes = b"",
    ) -> None:
        self.endpoint: Final = endpoint
        self.failure: Final = failure
        self.detail: Final = detail
        self.began: Final = began
        self.ended: Final = ended
        self.span_id: Final = span_id


class Outcome:
    """How one request ended.  Exactly one exists for each request, whatever happened to it.

    Times are seconds; sizes are body bytes as they crossed the gate.

    Attributes:
        reason: the reason code.
        phase: in which the request ended.
        status: what the client was sent; 0 when it was sent nothing.
        source: whose response that was.
        method: of the request; empty where the head could not be read up to its target.
        target: as the client wrote it, query included: no sink may show the query, for there may be
            secrets in it.
        canonical: the path that was decided on; empty where there is no route.
        path: what MLflow was sent for it; empty where there is no route.
        operation: what the request asked for; ``None`` where the route is not known.
        upstream: the name of the upstream that the route leads to; empty for the gate's own pages
            and where the route is not known.
        principal: who sent the request; ``NOBODY`` until it is authenticated.
        request_id: of the request; the response has it.
        trace: its place in a trace; ``None`` where it has none.
        client: the address of the client, as trusted proxies name it.
        endpoint: address and port of the MLflow server that was tried last; empty: none was, as for
            the gate's own pages.
        duration: from the head to the end of the response.
        queue_duration: waiting in the queue of a full upstream.
        hold_duration: held while the upstream was parked.
        connect_duration: opening connections to endpoints; 0 where one was taken from the pool.
        sent_after: from the head until the last attempt was sent; 0: none was.
        first_byte_after: from the head to the first byte of the response that the client was sent,
            which is the end where all of it was sent together; 0: there was none.
        upstream_duration: from the moment that the last attempt was sent to the end; 0: none was.
        gate_duration: what the gate itself took until the last attempt was sent, or altogether if
            none was: without waiting for a place, a connection, the client's body, an attempt that
            failed or a look-up in MLflow (docs/adr/0170).
        bytes_in: of the request's body that were received.
        bytes_out: of the response's body that were sent.
        attempts: how often an endpoint was chosen.
        retries: the attempts that another one followed.
        user_agent: as the client wrote it.
        message: the sentence that the client was sent, of a refusal by the gate or its own pages.
        detail: what exactly happened, for operators.
    """

    __slots__ = (
        "attempts",
        "bytes_in",
        "bytes_out",
        "canonical",
        "client",
        "connect_duration",
        "detail",
        "duration",
        "endpoint",
        "first_byte_after",
        "gate_duration",
        "hold_duration",
        "message",
        "method",
        "operation",
        "path",
        "phase",
        "principal",
        "queue_duration",
        "reason",
        "request_id",
        "retries",
        "sent_after",
        "source",
        "status",
        "target",
        "trace",
        "upstream",
        "upstream_duration",
        "user_agent",
    )

    def __init__(
        self,
        reason: Reason,
        phase: Phase,
        status: int,
        source: Source,
        method: bytes,
        target: bytes,
        canonical: bytes,
        path: bytes,
        operation: Operation | None,
        upstream: str,
        principal: Principal,
        request_id: bytes,
        trace: SpanContext | None,
        client: str,
        endpoint: str,
        duration: float,
        queue_duration: float,
        hold_duration: float,
        connect_duration: float,
        sent_after: float,
        first_byte_after: float,
        upstream_duration: float,
        gate_duration: float,
        bytes_in: int,
        bytes_out: int,
        attempts: int,
        retries: tuple[FailedAttempt, ...],
        user_agent: bytes,
        message: str,
        detail: str,
    ) -> None:
        self.reason: Final = reason
        self.phase: Final = phase
        self.status: Final = status
        self.source: Final = source
        self.method: Final = method
        self.target: Final = target
        self.canonical: Final = canonical
        self.path: Final = path
        self.operation: Final = operation
        self.upstream: Final = upstream
        self.principal: Final = principal
        self.request_id: Final = request_id
        self.trace: Final = trace
        self.client: Final = client
        self.endpoint: Final = endpoint
        self.duration: Final = duration
        self.queue_duration: Final = queue_duration
        self.hold_duration: Final = hold_duration
        self.connect_duration: Final = connect_duration
        self.sent_after: Final = sent_after
        self.first_byte_after: Final = first_byte_after
        self.upstream_duration: Final = upstream_duration
        self.gate_duration: Final = gate_duration
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out
        self.attempts: Final = attempts
        self.retries: Final = retries
        self.user_agent: Final = user_agent
        self.message: Final = message
        self.detail: Final = detail

    @property
    def replayed(self) -> str:
        """How the response came about to a create that was sent again; empty for all others.

        It is the response of MLflow's that no endpoint was asked for now.
        """
        return self.detail if self.source is Source.MLFLOW and not self.endpoint else ""

    @property
    def family(self) -> str:
        """The family of the route; empty where the route is not known."""
        return "" if self.operation is None else self.operation.family
