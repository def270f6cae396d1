"""What a request has come to so far, and the ``Outcome`` that is made of it at the end."""

from __future__ import annotations

from typing import Final

from headgate.dataplane.decisions import Route
from headgate.model import (
    NOBODY,
    AttemptFailure,
    FailedAttempt,
    Outcome,
    Phase,
    Source,
    SpanContext,
)
from headgate.reasons import Reason
from headgate.wire.request import Request

# To look a member up in its class costs as much as ten attributes.
_MLFLOW: Final = Source.MLFLOW
_GATE: Final = Source.GATE
_NONE: Final = Source.NONE
_MLFLOW_CLIENTS: Final = b"mlflow-"
"""How the `User-Agent` of MLflow's clients begins: mlflow/utils/rest_utils.py, _DEFAULT_HEADERS."""


class RequestRecord:
    """One request while it is under way.

    Moments are on the plane's clock, and 0 until they come; durations are seconds.

    Attributes:
        request: the head.
        request_id: of the request; the response bears it.
        phase: where the request is.
        started: when its head was here.
        trace: its place in a trace; ``None`` where the gate has no spans.
        route: where it goes, once it has been admitted or is about to be.
        principal: who sends it; ``NOBODY`` until that is known.
        endpoint: of MLflow, the last that was chosen; empty if none was.
        attempts: endpoints that were chosen.
        retries: the attempts that another one followed.
        connecting_at: when the last attempt began to open a connection; 0 if it took one.
        sent_at: when the last attempt was sent.
        first_byte_at: when the client was sent the first byte of a response that has not come
            whole.
        asked_at: since when the client can do no more than wait, where that is not ``started``.
        queue_duration: waiting in the queue of a full upstream.
        hold_duration: held while the upstream was parked.
        connect_duration: opening connections to endpoints.
        message: the sentence that the client was sent, of a refusal by the gate.
        detail: what exactly happened, for operators.
    """

    __slots__ = (
        "_gate_duration",
        "_waited",
        "_waiting_since",
        "asked_at",
        "attempts",
        "connect_duration",
        "connecting_at",
        "detail",
        "endpoint",
        "first_byte_at",
        "hold_duration",
        "message",
        "phase",
        "principal",
        "queue_duration",
        "request",
        "request_id",
        "retries",
        "route",
        "sent_at",
        "started",
        "trace",
    )

    def __init__(
        self,
        request: Request,
        request_id: bytes,
        phase: Phase,
        started: float,
        trace: SpanContext | None,
    ) -> None:
        self.request = request
        self.request_id = request_id
        self.phase = phase
        self.started = started
        self.trace = trace
        self.route: Route | None = None
        self.principal = NOBODY
        self.endpoint = ""
        self.attempts = 0
        self.retries: tuple[FailedAttempt, ...] = ()
        self.connecting_at = 0.0
        self.sent_at = 0.0
        self.first_byte_at = 0.0
        self.asked_at = 0.0
        self.queue_duration = 0.0
        self.hold_duration = 0.0
        self.connect_duration = 0.0
        self._waited = 0.0
        self._waiting_since = 0.0  # 0 while it does not wait for the client or for MLflow
        self._gate_duration = 0.0
        self.message = ""
        self.detail = ""

    @property
    def exports(self) -> bool:
        """Whether an exporter of OpenTelemetry sends it, which waits for 10 seconds in all.

        MLflow's own sends its traces there too, by its client, which waits as it does elsewhere.
        """
        route = self.route
        if route is None or not route.operation.otlp:
            return False
        agent = self.request.fields.values.get(b"user-agent", b"")
        return not agent.startswith(_MLFLOW_CLIENTS)

    # --- what has happened -----------------------------------------------------------------

    def on_waits(self, now: float) -> None:
        """The gate can do nothing until the client has sent more, or MLflow has responded."""
        if not self._waiting_since:
            self._waiting_since = now

    def on_goes_on(self, now: float) -> None:
        """It can do something, or there is nothing more to do."""
        if self._waiting_since:
            self._waited += now - self._waiting_since
            self._waiting_since = 0.0

    def on_queued(self, seconds: float) -> None:
        """The request has waited for a place at an endpoint."""
        self._waited += seconds
        self.queue_duration += seconds

    def on_held(self, seconds: float) -> None:
        """The request has been held while the upstream was parked."""
        self._waited += seconds
        self.hold_duration += seconds

    def on_connecting(self, now: float) -> None:
        """The request has waited for a connection from ``connecting_at`` until ``now``."""
        seconds = now - self.connecting_at
        self._waited += seconds
        self.connect_duration += seconds

    def on_sent(self, now: float) -> None:
        """An attempt is being sent: so far it was the gate's own time, but for the waits."""
        self.sent_at = now
        self._gate_duration = now - self.started - self._waited

    def on_repeated(self, failure: AttemptFailure, detail: str, now: float) -> None:
        """The last attempt has failed at ``now``, and another one follows."""
        began = self.connecting_at or self.sent_at
        if failure is not AttemptFailure.CONNECT_FAILED:
            self._waited += now - self.sent_at
        trace = self.trace
        self.retries += (
            FailedAttempt(
                self.endpoint,
                failure,
                detail,
                began - self.started,
                now - self.started,
                trace.attempt_id if trace is not None else b"",
            ),
        )

    # --- the end ---------------------------------------------------------------------------

    def outcome(
        self,
        reason: Reason,
        status: int,
        *,
        local: bool,
        trace: SpanContext | None,
        bytes_in: int,
        bytes_out: int,
        now: float,
    ) -> Outcome:
        """What the request has come to.

        Args:
            reason: the reason code.
            status: what the client was sent; 0 when it was sent nothing.
            local: whether that was a response of the gate's own, in place of one from a route.
            trace: its place in a trace.
            bytes_in: of the request's body that were received.
            bytes_out: of the response's body that were sent.
            now: when it ended.
        """
        self.on_goes_on(now)
        request, route = self.request, self.route
        started, sent_at, first_byte_at = self.started, self.sent_at, self.first_byte_at
        duration = now - started
        if route is not None:
            operation, canonical, path = route.operation, route.canonical, route.path
            upstream = route.balancer.name
        else:
            operation, canonical, path, upstream = None, b"", b"", ""
        source = _NONE
        first_byte_after = 0.0
        if status:
            source = _GATE if local or not upstream else _MLFLOW
            first_byte_after = first_byte_at - started if first_byte_at else duration
        if sent_at:
            sent_after, upstream_duration = sent_at - started, now - sent_at
            gate_duration = self._gate_duration
        else:
            sent_after = upstream_duration = 0.0
            gate_duration = duration - self._waited
        return Outcome(
            reason,
            self.phase,
            status,
            source,
            request.method,
            request.target,
            canonical,
            path,
            operation,
            upstream,
            self.principal,
            self.request_id,
            trace,
            request.fields.origin.address,
            self.endpoint if upstream else "",
            duration,
            self.queue_duration,
            self.hold_duration,
            self.connect_duration,
            sent_after,
            first_byte_after,
            upstream_duration,
            gate_duration if gate_duration > 0.0 else 0.0,  # differences have rounding errors
            bytes_in,
            bytes_out,
            self.attempts,
            self.retries,
            request.fields.values.get(b"user-agent", b""),
            self.message,
            self.detail,
        )
