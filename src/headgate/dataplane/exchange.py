"""One request from its head to its outcome: it is decided on, forwarded or refused, and accounted.

The client connection reports here, and so does the ``Responder`` that the decision leads to;
whatever they report, the exchange ends exactly once, in ``_end``, and that is where its ``Outcome``
is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final

from headgate.dataplane import failures, local_responses, rpc_status
from headgate.dataplane.balancer import Balancer, refusal
from headgate.dataplane.creates import MAX_CREATE_BYTES
from headgate.dataplane.decisions import (
    Authenticating,
    Decider,
    Decision,
    Forward,
    Inspect,
    Pending,
    Redirect,
    Refuse,
    Respond,
    Route,
)
from headgate.dataplane.held_request import HeldRequest
from headgate.dataplane.local_responses import LocalResponse
from headgate.dataplane.pending_decision import PendingDecision
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.create import CreateResponder
from headgate.dataplane.responders.forward import ForwardResponder
from headgate.dataplane.responders.local import LocalResponder
from headgate.dataplane.scanned_body import ScannedBody
from headgate.errors import Refusal
from headgate.events import InternalError
from headgate.model import Phase, Principal
from headgate.reasons import Reason
from headgate.wire import forward as heads
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request, request_id
from headgate.wire.request_fields import CHUNKED
from headgate.wire.tracer import ended

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Reason.OK
_PARSE: Final = Phase.PARSE


_SMALL_BODY: Final = 64 * 1024
"""Bytes of a body that is taken while its request is held: only then is it seen whether its client
leaves."""


class Exchange(ExchangeSide):
    """What happens between one request and its response.

    Args:
        plane: what all connections share.
        client: sends the request and is sent the response.
        request: its head.
    """

    __slots__ = (
        "_admitted",
        "_body",
        "_client",
        "_decider",
        "_deciding",
        "_held",
        "_inspecting",
        "_invited",
        "_plane",
        "_responder",
        "_scanned",
        "_uncounted",
        "_undecided",
        "is_held",
    )

    def __init__(self, plane: DataPlane, client: ClientSide, request: Request) -> None:
        fields, tracer = request.fields, plane.tracer
        super().__init__(
            request,
            request_id(fields) or plane.next_request_id(),
            _PARSE,
            plane.clock(),
            tracer.begin(fields.trace) if tracer is not None else None,
        )
        if self.trace is not None:
            self.trace.received(fields.origin.scheme, fields.origin.host, request.minor)
        self._plane = plane
        self._client = client
        self._body: RequestBody | None = None
        self._decider: Decider | None = None
        self._deciding: PendingDecision | None = None
        self._held: HeldRequest | None = None
        self._inspecting: Inspect | None = None
        self._invited = False
        self._responder: Responder | None = None
        self._scanned: ScannedBody | None = None
        self._uncounted = False
        self.is_held = False
        self._undecided: Coroutine[Any, Any, Decision] | None = None
        self._admitted: Principal | None = None  # for whom capacity is taken up

    @property
    def received(self) -> int:
        """Bytes of the request's body so far."""
        held = self._scanned.held if self._scanned is not None else 0
        return held + (self._body.received if self._body is not None else 0)

    @property
    def balancer(self) -> Balancer | None:
        """The upstream that the request is for, once it has been admitted."""
        return self.route.balancer if self.route is not None else None

    def writes_to(self, balancer: Balancer) -> bool:
        """Whether it is at that upstream, and may change something there."""
        route, responder = self.route, self._responder
        return (
            route is not None
            and route.balancer is balancer
            and route.operation.writes
            and responder is not None
            and responder.under_way
        )

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
        self._follow(self._plane.decider.decide(self.request, self._client.caller))

    def _follow(self, decision: Decision) -> None:
        if isinstance(decision, Forward):
            self._forward(decision)
        elif isinstance(decision, Inspect):
            self.phase = Phase.AUTHORISE
            if self._admit(decision):
                # The configuration may be another one when the body has come.
                decider = self._plane.decider
                self._unless_held(
                    decision.route, functools.partial(self._inspect, decision, decider)
                )
        elif isinstance(decision, Pending):
            self.phase = Phase.AUTHORISE
            if self._admit(decision):
                self._undecided = decision.decision
                self._unless_held(decision.route, self._look_up)
            else:
                decision.decision.close()
        elif isinstance(decision, Authenticating):
            self.phase = Phase.AUTHENTICATE
            self._decide_with(decision.decision)
        else:
            self._body = None  # what came of it is not used
            self._respond_locally(decision)

    def _inspect(self, decision: Inspect, decider: Decider) -> None:
        """Collect the body, and decide with it."""
        self._inspecting = decision
        self._decider = decider
        self._collect(self._body)

    def _look_up(self) -> None:
        """Decide with what MLflow responds to the gate's own questions."""
        decision, self._undecided = self._undecided, None
        if decision is not None:
            self.on_waits(self._plane.clock())  # for MLflow
            self._decide_with(decision)

    def _respond_locally(self, decision: Redirect | Respond | Refuse) -> None:
        if isinstance(decision, Redirect):
            self._respond(local_responses.redirect(decision.location), Phase.RESPOND)
            return
        self.principal = decision.principal
        if decision.principal.id:
            self._client.vouch()
        if isinstance(decision, Respond):
            self._respond(local_responses.document(decision.body), Phase.RESPOND)
        else:
            self._refuse(decision.refusal, decision.phase)

    def _forward(self, decision: Forward) -> None:
        if not self._admit(decision):
            return
        body = self._body
        if body is not None and self.request.method == b"GET":
            body = None  # what it says is in the query by now
        if decision.route.operation.creates is not None and self._follow_create(decision, body):
            return
        responder = ForwardResponder(self, self._plane, self._client, decision, body)
        self._responder = responder
        if decision.scan is not None and body is not None:
            self._scanned = scanned = ScannedBody(
                decision.scan, self, self._client, self._plane.call_soon, self._on_scanned
            )
            done = body.complete
            scanned.take(body.withdraw(), done=done)
        else:
            self._start(responder)

    def _follow_create(self, decision: Forward, body: RequestBody | None) -> bool:
        """Take up a create that can be recognised when it is sent again; whether it is one."""
        plane, finder = self._plane, decision.route.balancer.creates
        if body is None or finder is None or plane.creates is None or decision.scan is not None:
            return False
        if body.known_length > min(MAX_CREATE_BYTES, plane.limits.buffered_body_bytes):
            return False
        self._responder = CreateResponder(
            self, plane, self._client, decision, body, plane.creates, finder
        )
        self._collect(body)
        return True

    def _start(self, responder: Responder) -> None:
        """Forward the request, once its body is here if MLflow takes that only as a whole."""
        body, route = self._body, self.route
        if body is not None and body.length == CHUNKED and route is not None and route.takes_length:
            self._unless_held(route, functools.partial(self._collect, body))
        else:
            responder.start()

    def _unless_held(self, route: Route, go_on: Callable[[], None]) -> None:
        """Go on, unless operators stop the request before anything is done for it.

        Args:
            route: where it goes.
            go_on: called now, or when it is released.
        """
        balancer = route.balancer
        if not balancer.busy or self._held is not None:
            go_on()
            return
        why = balancer.parking.stopped(self.principal, writes=route.operation.writes)
        if why is None:
            go_on()
            return
        self._held = held = HeldRequest(
            self, balancer, self._plane.clock, functools.partial(self._go_on, go_on), self._give_up
        )
        hold = balancer.parking.policy.longest_hold(is_export=self.exports)
        if self._plane.draining or not balancer.queue(
            held, why, self.principal, self.started + hold
        ):
            self._held = None
            self._give_up(refusal(why))
        else:
            self.on_hold()

    def _go_on(self, go_on: Callable[[], None]) -> None:
        """The park is over, and it is this request's turn."""
        self._client.resume_reading()
        go_on()

    def _give_up(self, failure: Refusal) -> None:
        """It could not be held, or not long enough."""
        self._client.resume_reading()
        self._fail(failure, Phase.SELECT)

    def _decide_with(self, decision: Coroutine[Any, Any, Decision]) -> None:
        """Let a decision take its time; until then nothing is read from the client."""
        self._client.pause_reading()
        self._deciding = PendingDecision(decision, self, self._on_decided)

    def _on_decided(self, decision: Decision) -> None:
        self._deciding = None
        self.on_goes_on(self._plane.clock())
        self._client.resume_reading()
        self._follow(decision)

    def _admit(self, decision: Forward | Inspect | Pending) -> bool:
        """Take up capacity, which ``_end`` returns; refuse when there is none."""
        route = self.route = decision.route
        self.principal = decision.principal
        if self._client.stranger and self.principal.id:
            self._client.vouch()
        if self._admitted is not None:
            return True
        body, limit, limits = self._body, route.body_limit, self._plane.request_limits
        if body is not None and limit and body.known_length > limit:
            refusal: Refusal | None = failures.too_large(limit.human_readable())
        else:
            refusal = limits.admit(self.principal, route.operation, self.started)
        if refusal is not None:
            self._refuse(refusal, Phase.ADMIT)
            return False
        self._admitted = self.principal
        return True

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

    def _take(self, body: RequestBody, pieces: list[bytes], *, done: bool) -> None:
        due = body.take(pieces, done=done)
        limit = self.route.body_limit if self.route is not None else None
        if limit and body.length == CHUNKED and body.received > limit:
            self._fail(failures.too_large(limit.human_readable()), Phase.ADMIT)
        elif body.collecting:
            self._collect(body)
        elif self._responder is not None:
            self._responder.send(due)

    def _on_scanned(self, pieces: list[bytes], done: bool, first: bool) -> None:
        """Pass on what a scan has found to be well; ``first``: nothing was before."""
        body, responder = self._body, self._responder
        if body is None or responder is None:
            return
        if responder.takes_more:
            self._client.resume_reading()
        self._take(body, pieces, done=done)
        if first and not self.ended:
            self._start(responder)

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
            self.asked_at = self._plane.clock()
            self.on_goes_on(self.asked_at)
            self._on_collected(body.collected() if self._inspecting is not None else b"")
        else:
            self.on_waits(self._plane.clock())
            self.invite_body()

    def _on_collected(self, body: bytes) -> None:
        asked, self._inspecting = self._inspecting, None
        if asked is not None and self._decider is not None:
            decider, self._decider = self._decider, None
            self._follow(decider.decide_body(self.request, self._client.caller, asked, body))
        elif self._responder is not None:
            self._responder.start()

    def invite_body(self) -> None:
        """Send ``100 Continue`` where the client waits for it, now that its body can be taken.

        RFC 9110 section 10.1.1.
        """
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

    def on_client_half_closed(self) -> None:
        """The client has ended what it sends; whether it still reads is not known."""
        if self._responder is not None:
            self._responder.on_client_half_closed()

    def on_stopped(self) -> None:
        """The worker stops before there was a response, or a whole one."""
        if not self.ended:
            self.detail = "the worker's time to finish was over"
            self._end(Reason.DRAINING)

    def on_drain(self) -> None:
        """The worker stops: what waits for the end of a park is refused, for another to hold it."""
        if self._held is not None:
            self._held.on_drain()
        balancer = self.balancer
        if self._deciding is not None and balancer is not None and balancer.parking.holding:
            self._stop_deciding()
            self._give_up(failures.parked_at_draining_gate())
        if self._responder is not None:
            self._responder.on_drain()

    def on_client_silent(self, limit: float) -> None:
        """The client has stopped sending its body."""
        self._fail(failures.body_stalled(limit), self.phase)

    def on_client_full(self) -> None:
        """The client reads slowly: MLflow waits."""
        if self._responder is not None:
            self._responder.on_client_full()

    def on_client_drained(self) -> None:
        """The client has caught up."""
        if self._responder is not None:
            self._responder.on_client_drained()

    def on_malformed(self, error: ProtocolError) -> None:
        """The client's bytes are not HTTP/1.1."""
        self.close = True
        self._fail(failures.malformed(error), Phase.PARSE)

    # --- from the responder ----------------------------------------------------------------

    def on_responded(self, reason: Reason) -> None:
        """The response is complete; ``reason`` is what it says of itself, if it is the gate's."""
        self._end(reason)
        self._client.on_exchange_end(keep=not self.close)

    def on_hold(self) -> None:
        """The request is held; of a whole one nothing more comes but that its client leaves."""
        self.is_held = True
        body = self._body
        if body is not None and not body.complete and not 0 <= body.length <= _SMALL_BODY:
            self._client.pause_reading()
        route = self.route
        if self._admitted is not None and route is not None:
            self._uncounted = True
            self._plane.request_limits.pause(self._admitted, route.operation)

    def on_held(self, seconds: float) -> None:
        """It has been held."""
        super().on_held(seconds)
        self.is_held = False
        self._count_again()

    def _count_again(self) -> None:
        route = self.route
        if self._uncounted and self._admitted is not None and route is not None:
            self._uncounted = False
            self._plane.request_limits.resume(self._admitted, route.operation)

    def on_answered(self, response: LocalResponse) -> None:
        """The gate itself answers for MLflow."""
        self._respond(response, Phase.RESPOND)

    def on_failed(self, failure: Refusal, phase: Phase | None = None) -> None:
        """There is no response, or only a part of one; ``phase``: in which it failed."""
        self._fail(failure, phase if phase is not None else self.phase)

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        name = self.request_id.decode("ascii")
        self._plane.emit(InternalError(f"handling the request {name}", error))
        self._fail(failures.defect(name, error), self.phase)

    def settle_connection(self, request_done: bool) -> bytes:
        """Decide whether the client's connection outlives the response that begins now.

        Returns the field that says so, where that does not go without saying, and those that the
        responses to its sender have.
        """
        if self._plane.draining or not request_done:
            self.close = True
        line = heads.connection_line(self.request.minor, close=self.close)
        lines = self.principal.response_lines
        return line + lines if lines else line

    # --- the end ---------------------------------------------------------------------------

    def _fail(self, refusal: Refusal, phase: Phase) -> None:
        """Refuse, or cut the connection when part of a response has been sent already."""
        if self.ended:
            self._client.abort()
        elif self._responder is not None and self._responder.status:
            self.detail = refusal.detail
            self._end(refusal.reason)
            self._client.abort()
        else:
            self._refuse(refusal, phase)

    def _refuse(self, refusal: Refusal, phase: Phase) -> None:
        self.message, self.detail = refusal.message, refusal.detail
        route, request = self.route, self.request
        if route.operation.otlp if route is not None else self._plane.decider.is_otlp(request):
            content_type = request.fields.values.get(b"content-type", b"")
            self._respond(rpc_status.response(refusal, content_type), phase)
        else:
            self._respond(local_responses.refusal(refusal), phase)

    def _respond(self, response: LocalResponse, phase: Phase) -> None:
        """Let the gate itself respond, in place of MLflow if that was asked already."""
        if self._responder is not None:
            self._responder.drop()
        self.phase = phase
        self._responder = LocalResponder(self, self._client, response)
        self._responder.start()

    def _stop_deciding(self) -> None:
        """What is being decided, or held before that, is no longer of use."""
        if self._deciding is not None:
            self._deciding.cancel()
            self._deciding = None
        if self._undecided is not None:
            self._undecided.close()
            self._undecided = None
        if self._held is not None:
            self._held.drop()
            self._held = None

    def _end(self, reason: Reason) -> None:
        """Release everything and account for the request: the one place for both."""
        self.ended = True
        self._stop_deciding()
        route = self.route
        if self._admitted is not None and route is not None:
            if self._uncounted:
                self._count_again()
            self._plane.request_limits.release(self._admitted, route.operation)
        responder = self._responder
        if responder is not None and reason is not _OK:
            responder.drop()
        trace, lines = self.trace, self.request.fields.trace
        if trace is not None or lines:
            trace = ended(trace, self._plane.tracer, lines, self.principal)
        self._plane.account(
            self.outcome(
                reason,
                responder.status if responder is not None else 0,
                local=isinstance(responder, LocalResponder),
                trace=trace,
                bytes_in=self.received,
                bytes_out=responder.bytes_out if responder is not None else 0,
                now=self._plane.clock(),
            )
        )
        self._body = None
        self._scanned = None
        self._responder = None  # it knows the exchange: together they would outlive their use
