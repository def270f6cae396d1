"""One request from its head to its outcome: it is decided on, forwarded or refused, and accounted.

Both connections report here, directly or through a ``Forwarding``; whatever they report, the
exchange ends exactly once, in ``_end``, and that is where its ``Outcome`` is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from headgate.dataplane import failures, local_responses, rpc_status
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import (
    Authenticating,
    Decider,
    Decision,
    Forward,
    Inspect,
    Pending,
    Redirect,
    Respond,
    Route,
)
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.forward import Forwarding
from headgate.dataplane.scanned_body import ScannedBody
from headgate.errors import Refusal
from headgate.events import InternalError
from headgate.model import NOBODY, Outcome, Phase
from headgate.reasons import Reason
from headgate.wire import forward as heads
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request, request_id
from headgate.wire.request_fields import CHUNKED

if TYPE_CHECKING:
    from headgate.dataplane.client import ClientConnection

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Reason.OK
_PARSE: Final = Phase.PARSE


class Exchange:
    """What happens between one request and its response.

    ``ended``: the outcome is made; what the connections still report changes nothing.  ``close``:
    the client's connection ends with this response.  ``phase``: how far the request has come.
    """

    __slots__ = (
        "_admitted",
        "_body",
        "_client",
        "_decider",
        "_deciding",
        "_detail",
        "_forwarding",
        "_inspecting",
        "_invited",
        "_plane",
        "_principal",
        "_route",
        "_scanned",
        "_sent",
        "_started",
        "_status",
        "close",
        "ended",
        "method",
        "phase",
        "request",
        "request_id",
    )

    def __init__(self, plane: DataPlane, client: ClientConnection, request: Request) -> None:
        fields = request.fields
        self._plane = plane
        self._client = client
        self._started = plane.clock()
        self._body: RequestBody | None = None
        self._decider: Decider | None = None
        self._deciding: asyncio.Task[Decision] | None = None
        self._inspecting: Inspect | None = None
        self._invited = False
        self._forwarding: Forwarding | None = None
        self._route: Route | None = None
        self._scanned: ScannedBody | None = None
        self._admitted = False
        self._principal = NOBODY
        self._sent = 0
        self._status = 0
        self._detail = ""
        self.request = request
        self.method = request.method
        self.request_id = request_id(fields) or plane.next_request_id()
        self.close = fields.close
        self.phase = _PARSE
        self.ended = False

    @property
    def received(self) -> int:
        """Bytes of the request's body so far."""
        held = self._scanned.held if self._scanned is not None else 0
        return held + (self._body.received if self._body is not None else 0)

    @property
    def balancer(self) -> Balancer | None:
        """The upstream that the request is for, once it has been admitted."""
        return self._route.balancer if self._route is not None else None

    # --- deciding --------------------------------------------------------------------------

    def begin(self, pieces: list[bytes], *, done: bool) -> None:
        """Let the gate decide, then refuse or forward.

        Args:
            pieces: what of the request's body came together with its head.
            done: whether that is all of it.
        """
        if self.request.fields.length:
            self._body = RequestBody(self.request.fields.length)
            if pieces or done:
                self._body.take(pieces, done=done)
        self._obey(self._plane.decider.decide(self.request, self._client.caller))

    def _obey(self, decision: Decision) -> None:
        if isinstance(decision, Forward):
            self._forward(decision)
        elif isinstance(decision, Inspect):
            self.phase = Phase.AUTHORISE
            if self._admit(decision):
                self._inspecting = decision
                # The configuration may be another one when the body has come.
                self._decider = self._plane.decider
                self._collect(self._body)
        elif isinstance(decision, Pending):
            self._await(decision)
        elif isinstance(decision, Authenticating):
            self.phase = Phase.AUTHENTICATE
            self._decide_with(decision.decision)
        else:
            self._body = None  # what came of it is not used
            if isinstance(decision, Redirect):
                self._redirect(decision)
                return
            self._principal = decision.principal
            if decision.principal.id:
                self._client.vouch()
            if isinstance(decision, Respond):
                self._response(decision)
            else:
                self._refuse(decision.refusal, decision.phase)

    def _forward(self, decision: Forward) -> None:
        if not self._admit(decision):
            return
        body = self._body
        if body is not None and self.method == b"GET":
            body = None  # what it says is in the query by now
        self._forwarding = Forwarding(
            self, self._plane, self._client, decision, body, self._started
        )
        if decision.scan is not None and body is not None:
            self._scanned = scanned = ScannedBody(decision.scan)
            done = body.complete
            scanned.take(body.withdraw(), done=done)
            self._look()
        else:
            self._start_forwarding(self._forwarding)

    def _start_forwarding(self, forwarding: Forwarding) -> None:
        body = self._body
        if body is not None and body.length == CHUNKED and forwarding.takes_length:
            self._collect(body)
        else:
            forwarding.start()

    def _await(self, decision: Pending) -> None:
        """Decide when what the decision needs has come; until then the client waits."""
        self.phase = Phase.AUTHORISE
        if self._admit(decision):
            self._decide_with(decision.decision)
        else:
            decision.decision.close()

    def _decide_with(self, decision: Coroutine[Any, Any, Decision]) -> None:
        """Let a decision take its time; until then nothing is read from the client."""
        self._client.pause_reading()
        loop = asyncio.get_running_loop()
        self._deciding = loop.create_task(decision, name="decide")
        self._deciding.add_done_callback(self._on_decided)

    def _on_decided(self, task: asyncio.Task[Decision]) -> None:
        if self.ended:
            if not task.cancelled():
                task.exception()  # nobody is left to be told of it
            return
        self._deciding = None
        try:
            self._client.resume_reading()
            self._obey(task.result())
        except asyncio.CancelledError:
            self.on_defect(RuntimeError("the decision was cancelled"))
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    def _admit(self, decision: Forward | Inspect | Pending) -> bool:
        """Take up capacity, which ``_end`` returns; refuse when there is none."""
        route = self._route = decision.route
        self._principal = decision.principal
        if self._client.stranger and self._principal.id:
            self._client.vouch()
        if self._admitted:
            return True
        limit = route.body_limit
        refusal: Refusal | None
        if self._body is not None and limit and self._body.known_length > limit:
            refusal = failures.too_large(limit.human_readable())
        else:
            refusal = self._plane.request_limits.admit(
                self._principal, route.operation, self._started
            )
        if refusal is None:
            self._admitted = True
        else:
            self._refuse(refusal, Phase.ADMIT)
        return self._admitted

    # --- the request's body ----------------------------------------------------------------

    def on_request_body(self, pieces: list[bytes], *, done: bool) -> None:
        """More of the request's body is here; ``done``: it is complete."""
        body = self._body
        if self.ended or body is None:
            return
        if self._scanned is None:
            self._take(body, pieces, done=done)
        else:
            self._scanned.take(pieces, done=done)
            if not self._scanned.waits_for_turn:
                self._look()

    def _take(self, body: RequestBody, pieces: list[bytes], *, done: bool) -> None:
        due = body.take(pieces, done=done)
        if body.length == CHUNKED and self._is_too_long(body.received):
            return
        if body.collecting:
            self._collect(body)
        elif self._forwarding is not None:
            self._forwarding.send(due)

    def _look(self) -> None:
        """Look at what came of a scanned body, and pass it on once all of that is well."""
        scanned, body, forwarding = self._scanned, self._body, self._forwarding
        if self.ended or scanned is None or body is None or forwarding is None:
            return
        scanned.waits_for_turn = not scanned.look()
        if scanned.refusal is not None:
            self._fail(scanned.refusal, Phase.AUTHORISE)
        elif scanned.waits_for_turn:
            self._client.pause_reading()
            self._plane.call_soon(self._look_on)
        else:
            on_its_way = scanned.passed
            pieces, done = scanned.release()
            if forwarding.takes_more:
                self._client.resume_reading()
            self._take(body, pieces, done=done)
            if not on_its_way and not self.ended:
                self._start_forwarding(forwarding)

    def _look_on(self) -> None:
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    def _is_too_long(self, received: int) -> bool:
        """End the exchange when a body of unannounced length is over its limit."""
        limit = self._route.body_limit if self._route is not None else None
        if not limit or received <= limit:
            return False
        self._fail(failures.too_large(limit.human_readable()), Phase.ADMIT)
        return True

    def _collect(self, body: RequestBody | None) -> None:
        """Go on once the whole body is here."""
        if body is None:
            self._on_collected(b"")
            return
        body.collecting = True
        limit = self._plane.limits.buffered_body_bytes
        if body.received > limit or body.length > limit:
            self._refuse(failures.uncollectable(limit.human_readable()), Phase.ADMIT)
        elif body.complete:
            self._on_collected(body.collected() if self._inspecting is not None else b"")
        else:
            self.invite_body()

    def _on_collected(self, body: bytes) -> None:
        asked, self._inspecting = self._inspecting, None
        if asked is not None and self._decider is not None:
            decider, self._decider = self._decider, None
            self._obey(decider.decide_body(self.request, self._client.caller, asked, body))
        elif self._forwarding is not None:
            self._forwarding.start()

    def invite_body(self) -> None:
        """Answer ``Expect: 100-continue``, now that the request has passed (RFC 9110 10.1.1)."""
        body = self._body
        waits = body is not None and not body.received and not body.complete
        if waits and not self._invited and self.request.fields.expects_continue:
            self._invited = True
            self._client.write(heads.CONTINUE)

    # --- from the client -------------------------------------------------------------------

    def on_client_lost(self) -> None:
        """The client left: MLflow must not take what it has for the whole request."""
        if not self.ended:
            self._end(Reason.CLIENT_GONE)

    def on_stopped(self) -> None:
        """The worker stops before there was a response, or a whole one."""
        if not self.ended:
            self._detail = "the worker's time to finish was over"
            self._end(Reason.DRAINING)

    def on_client_silent(self, limit: float) -> None:
        """The client has stopped sending its body."""
        self._fail(failures.body_stalled(limit), self.phase)

    def on_client_full(self) -> None:
        """The client reads slowly: MLflow waits."""
        if self._forwarding is not None:
            self._forwarding.on_client_full()

    def on_client_drained(self) -> None:
        """The client has caught up."""
        if self._forwarding is not None:
            self._forwarding.on_client_drained()

    def on_malformed(self, error: ProtocolError) -> None:
        """The client's bytes are not HTTP/1.1."""
        self.close = True
        self._fail(failures.malformed(error), Phase.PARSE)

    # --- from the forwarding ---------------------------------------------------------------

    def on_answered(self, reason: Reason = _OK) -> None:
        """The response is complete; ``reason``: what it says of itself, if it is the gate's own."""
        self._end(reason)
        self._client.on_exchange_end(keep=not self.close)

    def on_failed(self, failure: Refusal) -> None:
        """There is no response, or only a part of one."""
        self._fail(failure, self.phase)

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        name = self.request_id.decode("ascii")
        self._plane.emit(InternalError(f"handling the request {name}", error))
        self._fail(failures.defect(name, error), self.phase)

    def settle_connection(self, request_done: bool) -> bytes:
        """Decide whether the client's connection outlives the response that begins now.

        Returns the field that says so, where that does not go without saying.
        """
        if self._plane.draining or not request_done:
            self.close = True
        return heads.connection_line(self.request.minor, close=self.close)

    # --- the end ---------------------------------------------------------------------------

    def _redirect(self, decision: Redirect) -> None:
        connection = self._begin_own_response(308)
        self._client.write(local_responses.redirect(decision.location, self.request_id, connection))
        self.on_answered()

    def _response(self, decision: Respond) -> None:
        connection = self._begin_own_response(200)
        head_only = self.method == b"HEAD"
        self._write_own(
            local_responses.document(
                decision.body, self.request_id, connection, head_only=head_only
            )
        )
        self.on_answered()

    def _begin_own_response(self, status: int) -> bytes:
        """Begin a response that is not MLflow's; the line about the connection, or empty."""
        self._status = status
        self.phase = Phase.RESPOND
        client = self._client
        return self.settle_connection(client.body_done or client.can_discard())

    def _write_own(self, message: bytes) -> None:
        """Send a whole response that is not MLflow's, and count the bytes of its body."""
        self._sent = len(message) - message.index(b"\r\n\r\n") - 4
        self._client.write(message)

    def _fail(self, refusal: Refusal, phase: Phase) -> None:
        """Refuse, or cut the connection when part of a response has been sent already."""
        if self.ended:
            self._client.abort()
        elif self._forwarding is not None and self._forwarding.status:
            self._detail = refusal.detail
            self._end(refusal.reason)
            self._client.abort()
        else:
            self._refuse(refusal, phase)

    def _refuse(self, refusal: Refusal, phase: Phase) -> None:
        content = None
        route = self._route
        if route.operation.otlp if route is not None else self._plane.decider.is_otlp(self.request):
            refusal = rpc_status.for_exporters(refusal)
            sent_as = self.request.fields.values.get(b"content-type", b"")
            content = rpc_status.body(refusal, sent_as)
        self.phase = phase
        self._status = refusal.code
        self._detail = refusal.detail
        client = self._client
        connection = self.settle_connection(client.body_done or client.can_discard())
        head_only = self.method == b"HEAD"
        told = local_responses.refusal(
            refusal, self.request_id, connection, head_only=head_only, content=content
        )
        self._write_own(told)
        self._end(refusal.reason)
        client.on_exchange_end(keep=not self.close)

    def _end(self, reason: Reason) -> None:
        """Let go of everything and account for the request: the one place for both."""
        self.ended = True
        if self._deciding is not None:
            self._deciding.cancel()
            self._deciding = None
        request, route = self.request, self._route
        if self._admitted and route is not None:
            self._plane.request_limits.release(self._principal, route.operation)
        forwarding = self._forwarding
        if forwarding is not None and reason is not _OK:
            forwarding.drop()
        now = self._plane.clock()
        self._plane.account(
            Outcome(
                reason,
                self.phase,
                self._status or (forwarding.status if forwarding is not None else 0),
                request.method,
                request.target,
                route.operation.family if route is not None else "",
                self._principal.name,
                self._principal.id,
                self.request_id,
                request.fields.origin.address,
                forwarding.endpoint if forwarding is not None else "",
                now - self._started,
                now - forwarding.started if forwarding is not None and forwarding.started else 0.0,
                self.received,
                forwarding.bytes_out if forwarding is not None and not self._sent else self._sent,
                forwarding.attempts if forwarding is not None else 0,
                request.fields.values.get(b"user-agent", b""),
                self._detail,
            )
        )
        self._body = None
        self._scanned = None
        self._forwarding = None  # it knows the exchange: together they would outlive their use
