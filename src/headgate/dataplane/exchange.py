"""One request from its head to its outcome: it is decided on, forwarded or refused, and accounted.

The client connection reports here, and so does the ``Responder`` that the decision leads to;
whatever they report, the exchange ends exactly once, in ``_end``, and that is where its ``Outcome``
is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.dataplane import failures, local_responses, rpc_status
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.body_intake import BodyIntake
from headgate.dataplane.capacity import Capacity
from headgate.dataplane.deciding import Deciding
from headgate.dataplane.decisions import (
    Authenticating,
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
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, CollectingExchange, Responder
from headgate.dataplane.responders.create_choice import create_responder
from headgate.dataplane.responders.forward import ForwardResponder
from headgate.dataplane.responders.local import LocalResponder
from headgate.errors import Refusal
from headgate.events import InternalError
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.wire import forward as heads
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request, request_id
from headgate.wire.request_fields import CHUNKED
from headgate.wire.tracer import ended

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Reason.OK
_PARSE: Final = Phase.PARSE


class Exchange(CollectingExchange):
    """What happens between one request and its response.

    Args:
        plane: what all connections share.
        client: sends the request and is sent the response.
        request: its head.
    """

    __slots__ = (
        "_capacity",
        "_client",
        "_deciding",
        "_held",
        "_intake",
        "_plane",
        "_responder",
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
        self._intake: BodyIntake | None = None
        self._deciding: Deciding | None = None
        self._held: HeldRequest | None = None
        self._responder: Responder | None = None
        self._capacity: Capacity | None = None
        self.is_held = False

    @property
    def received(self) -> int:
        """Bytes of the request's body so far."""
        return self._intake.received if self._intake is not None else 0

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
            self._intake = BodyIntake(self, self._client, self._plane, pieces, done=done)
        self._follow(self._plane.decider.decide(self.request, self._client.caller))

    def _follow(self, decision: Decision) -> None:
        if isinstance(decision, Forward):
            self._forward(decision)
        elif isinstance(decision, Redirect | Respond | Refuse):
            self._intake = None  # what came of the body is not used
            self._respond_locally(decision)
        else:
            self._decide_on(decision)

    def _decide_on(self, decision: Authenticating | Inspect | Pending) -> None:
        """Wait for what the decision still needs."""
        deciding = self._deciding
        if deciding is None:
            self._deciding = deciding = Deciding(self, self._client, self._plane, self._follow)
        if isinstance(decision, Authenticating):
            self.phase = Phase.AUTHENTICATE
            deciding.run(decision.decision)
            return
        self.phase = Phase.AUTHORISE
        if isinstance(decision, Inspect):
            if self._admit(decision):
                deciding.inspect(decision)
                self._unless_held(decision.route, self._collect)
        elif self._admit(decision):
            deciding.run_later(decision.decision)
            self._unless_held(decision.route, deciding.look_up)
        else:
            decision.decision.close()

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
        intake = self._intake
        body = intake.body if intake is not None else None
        if body is not None and self.request.method == b"GET":
            body = None  # what it says is in the query by now
        if decision.route.operation.creates is not None:
            remembering = create_responder(self, self._plane, self._client, decision, body)
            if remembering is not None:
                self._responder = remembering
                self._collect()
                return
        responder = ForwardResponder(self, self._plane, self._client, decision, body)
        self._responder = responder
        if decision.scan is not None and body is not None and intake is not None:
            intake.scan(decision.scan, self._on_scanned)
        else:
            self._start(responder)

    def _start(self, responder: Responder) -> None:
        """Forward the request, once its body is here if MLflow takes that only as a whole."""
        intake, route = self._intake, self.route
        if (
            intake is not None
            and intake.body.length == CHUNKED
            and route is not None
            and route.takes_length
        ):
            self._unless_held(route, intake.collect)
        else:
            responder.start()

    def _unless_held(self, route: Route, go_on: Callable[[], None]) -> None:
        """Go on, unless operators stop the request before anything is done for it.

        Args:
            route: where it goes.
            go_on: called now, or when it is released.
        """
        if not route.balancer.busy or self._held is not None:
            go_on()
            return
        self._held = held = HeldRequest(self, self._client, self._plane, route.balancer, go_on)
        if not held.begin(writes=route.operation.writes):
            self._held = None
            go_on()

    def _admit(self, decision: Forward | Inspect | Pending) -> bool:
        """Take up capacity, which ``_end`` returns; refuse when there is none."""
        route = self.route = decision.route
        self.principal = decision.principal
        if self._client.stranger and self.principal.id:
            self._client.vouch()
        if self._capacity is not None:
            return True
        intake, limit, limits = self._intake, route.body_limit, self._plane.request_limits
        if intake is not None and limit and intake.body.known_length > limit:
            refusal: Refusal | None = failures.too_large(limit.human_readable())
        else:
            refusal = limits.admit(self.principal, route.operation, self.started)
        if refusal is not None:
            self._refuse(refusal, Phase.ADMIT)
            return False
        self._capacity = Capacity(limits, self.principal, route.operation)
        return True

    # --- the request's body ----------------------------------------------------------------

    def on_request_body(self, pieces: list[bytes], *, done: bool) -> None:
        """More of the request's body is here; ``done``: it is complete."""
        if self._intake is not None and not self.ended:
            self._intake.take(pieces, done=done)

    def on_body_due(self, pieces: list[bytes]) -> None:
        """So much of the body is to be sent on."""
        if self._responder is not None:
            self._responder.send(pieces)

    def _on_scanned(self, pieces: list[bytes], done: bool, first: bool) -> None:
        """Pass on what a scan has found to be well; ``first``: nothing was before."""
        intake, responder = self._intake, self._responder
        if intake is None or responder is None:
            return
        if responder.takes_more:
            self._client.resume_reading()
        intake.pass_on(pieces, done=done)
        if first and not self.ended:
            self._start(responder)

    def _collect(self) -> None:
        """Go on once the whole body is here."""
        if self._intake is not None:
            self._intake.collect()
        else:
            self.on_body_collected()

    def on_body_collected(self) -> None:
        """The whole body is here: decide with it, or begin to forward it."""
        deciding, intake = self._deciding, self._intake
        if deciding is not None and deciding.wants_body:
            deciding.decide_body(intake.body.collected() if intake is not None else b"")
        elif self._responder is not None:
            self._responder.start()

    def invite_body(self) -> None:
        """Send ``100 Continue`` where the client waits for it, now that its body can be taken."""
        if self._intake is not None:
            self._intake.invite()

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
        deciding = self._deciding is not None and self._deciding.under_way
        if deciding and balancer is not None and balancer.parking.holding:
            self._stop_deciding()
            self._client.resume_reading()
            self._fail(failures.parked_at_draining_gate(), Phase.SELECT)
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
        """The request is held, and takes up nothing of the gate's limits until ``on_held``."""
        self.is_held = True
        if self._intake is not None:
            self._intake.on_hold()
        if self._capacity is not None:
            self._capacity.pause()

    def on_placed(self) -> None:
        """It has a place at an endpoint."""
        if self._held is not None:
            self._held.on_placed()

    def on_held(self, seconds: float) -> None:
        """It has been held."""
        super().on_held(seconds)
        self.is_held = False
        if self._capacity is not None:
            self._capacity.resume()

    def reconsidered(self) -> Refusal | None:
        """Why the request, which has waited, may not pass any more; ``None``: it may."""
        return self._plane.decider.reconsider(self.request, self._client.caller, self.principal)

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
        if self._held is not None:
            self._held.drop()
            self._held = None

    def _end(self, reason: Reason) -> None:
        """Release everything and account for the request: the one place for both."""
        self.ended = True
        self._stop_deciding()
        if self._capacity is not None:
            self._capacity.release()
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
        self._intake = None
        self._responder = None  # it knows the exchange: together they would outlive their use
