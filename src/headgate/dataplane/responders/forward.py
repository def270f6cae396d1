"""Responds with MLflow's response: the phase forward, between ``Attempts`` and ``Delivery``.

One ``ForwardResponder`` may make several attempts at several endpoints.  Whatever happens to it, it
tells its exchange once: the response is complete, or there is none.
"""

from __future__ import annotations

import math
from typing import Final

from headgate.cluster import Result
from headgate.dataplane import failures
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import ResponseReceiver, UpstreamConnection
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.attempts import Attempts
from headgate.dataplane.responders.delivery import Delivery, PlainDelivery
from headgate.dataplane.responders.static_response import compressed
from headgate.dataplane.response_checks import (
    JSON,
    Classification,
    HeldResponse,
    is_wrong_page,
    may_be_host_refusal,
    may_be_sentence,
)
from headgate.model import AttemptFailure, Phase, SpanContext
from headgate.symptoms import own_words
from headgate.wire import forward as heads
from headgate.wire.errors import ProtocolError
from headgate.wire.response import Response

# To look a member up in its class costs as much as ten attributes.
_FORWARD: Final = Phase.FORWARD
_OK: Final = Result.OK


class ForwardResponder(Attempts, ResponseReceiver):
    """Responds with MLflow's response.

    Args:
        exchange: learns how it ends.
        plane: what all connections share.
        client: is sent the response.
        decision: where the request goes.
        body: of the request, if it has one.
    """

    __slots__ = (
        "_connection",
        "_delivery",
        "_head_only",
        "_held",
        "_method",
        "_result",
    )

    def __init__(
        self,
        exchange: ExchangeSide,
        plane: DataPlane,
        client: ClientSide,
        decision: Forward,
        body: RequestBody | None,
    ) -> None:
        super().__init__(exchange, plane, client, decision, body)
        self._connection: UpstreamConnection | None = None
        self._held: HeldResponse | None = None
        self._result: Result | None = None
        self._delivery: Delivery | None = None
        # MLflow takes the query of a GET alone for its message: a HEAD with the same query would
        # be responded to about everything (mlflow/server/handlers.py, _get_request_message).
        method = exchange.request.method
        self._head_only = method == b"HEAD"
        self._method = b"GET" if self._head_only else method

    # --- forward ---------------------------------------------------------------------------

    def _send(self, pool: Pool, connection: UpstreamConnection) -> None:
        exchange, body, route = self._exchange, self._body, self._forward.route
        terms = self._balancer.terms
        exchange.phase = _FORWARD
        self._connection = connection
        self._sent = True
        now = self._plane.clock()
        exchange.on_sent(now)
        connection.begin(self, self._method, min(now + terms.silence_timeout, self._limit))
        due = body.start() if body is not None else None
        trace = exchange.trace
        head = heads.request_head(
            exchange.request,
            self._method,
            route.path + self._forward.query,
            pool.host_header,
            exchange.request_id,
            body.length if body is not None else 0,
            exchange.request.fields.trace if trace is None else self._trace_lines(trace),
            terms.credentials.lines(exchange.request.fields.values, self._forward.principal),
        )
        self._client.resume_reading()  # it was not read while there was nowhere to go
        connection.write([head, *due] if due else [head])
        if not self._client.writable:
            self.on_client_full()
        if body is not None:
            if body.is_long:
                connection.expect_early_response()
            exchange.invite_body()
            if self._balancer.busy and not body.complete:
                self._begin_transfer()

    def _trace_lines(self, trace: SpanContext) -> bytes:
        """The trace context of this attempt."""
        tracer = self._plane.tracer
        if tracer is None:  # not any more
            return self._exchange.request.fields.trace
        return tracer.lines(trace, self._forward.principal)

    @property
    def takes_more(self) -> bool:
        """Whether the client need not wait for MLflow."""
        connection = self._connection
        if connection is not None:
            return not connection.full
        return not self._begun

    def send(self, pieces: list[bytes]) -> None:
        """Send more of the request's body."""
        if pieces and self._connection is not None:
            if self._limit != math.inf:  # while the client still sends, it does not wait yet
                self._limit = self._plane.clock() + self._balancer.terms.retry_policy.total
            self._expect()
            self._connection.write(pieces)
        if self._moves and self._body is not None and self._body.complete:
            self._end_transfer()

    def on_client_full(self) -> None:
        """The client reads slowly: MLflow waits."""
        if self._connection is not None:
            self._connection.transport.pause_reading()
            self._expect()

    def on_client_drained(self) -> None:
        """The client has caught up."""
        if self._connection is not None:
            self._connection.transport.resume_reading()
            self._expect()

    def on_upstream_full(self) -> None:
        """MLflow takes the body slowly: the client waits."""
        self._client.pause_reading()

    def on_upstream_drained(self) -> None:
        """MLflow has caught up."""
        self._expect()
        self._client.resume_reading()

    def _expect(self) -> None:
        """MLflow or the client has moved: count silence from now, unless MLflow has to wait."""
        if self._connection is not None:
            silence = self._balancer.terms.silence_timeout if self._client.writable else math.inf
            deadline = self._plane.clock() + silence
            if not self.status and deadline != math.inf:
                deadline = min(deadline, self._limit)
            self._connection.deadline = deadline

    # --- respond ---------------------------------------------------------------------------

    def on_response(self, response: Response | None, pieces: list[bytes], *, done: bool) -> None:
        """Some of the response is here.

        Args:
            response: its head, when that came now.
            pieces: what came of its body.
            done: whether that completes it.
        """
        if response is not None and response.media_type != JSON and self._is_suspect(response):
            return
        held = self._held
        if held is None:
            self._deliver(response, pieces, done=done)
            return
        pool = self._pool
        opinion = held.take(pieces, done=done)
        if opinion is Classification.REFUSAL and pool is not None:
            self._give_up(failures.host_refused(pool.host_header.decode("ascii")))
        elif opinion is Classification.PAGE:
            self._give_up(
                failures.page_instead_of_json(held.response.status, self._exchange.endpoint)
            )
        elif opinion is Classification.SENTENCE:
            self._held = None
            self._result = _OK  # MLflow is well, and says what is switched off
            head, body = held.as_json()
            self._deliver(head, [body], done=True)
        elif opinion is not Classification.UNKNOWN:
            self._held = None
            self._deliver(held.response, held.pieces, done=done)

    def _is_suspect(self, response: Response) -> bool:
        """Refuse a response that is not MLflow's, and hold back one that may not be what it seems.

        Whether it was refused.
        """
        shown, operation = self._balancer.terms.credentials, self._forward.route.operation
        if may_be_host_refusal(response) or may_be_sentence(response, operation):
            self._held = HeldResponse(response)
        elif is_wrong_page(response, operation, shown=shown.are_clients):
            self._give_up(
                failures.page_instead_of_json(
                    response.status, self._exchange.endpoint, shown=shown.are_shown
                )
            )
            return True
        return False

    def _deliver(self, response: Response | None, pieces: list[bytes], *, done: bool) -> None:
        """Send the client what came."""
        delivery = self._delivery
        if delivery is None:
            delivery = self._delivery = self._new_delivery(response)
        if not delivery.take(response, pieces, done=done):
            self.on_response_end(reusable=False)
        elif not done:
            exchange = self._exchange
            if self.status and not exchange.first_byte_at:
                exchange.first_byte_at = self._plane.clock()
            if self._balancer.busy and not self._moves:
                self._begin_transfer()
            self._expect()

    def _new_delivery(self, response: Response | None) -> Delivery:
        """What makes the client's response of MLflow's."""
        route, exchange, client = self._forward.route, self._exchange, self._client
        if response is not None and route.operation.static:
            target = route.path + self._forward.query
            files = self._plane.static_files
            found = compressed(response, route, target, self._method, files, self, exchange, client)
            if found is not None:
                return found
        return PlainDelivery(exchange, client, self, route, self._body, self._head_only)

    def on_response_end(self, *, reusable: bool) -> None:
        """The response is complete; ``reusable``: so is the connection's part in it."""
        connection, self._connection = self._connection, None
        delivery, self._delivery = self._delivery, None
        if connection is not None:
            if reusable and (self._body is None or self._body.complete):
                if not self._client.writable:
                    connection.transport.resume_reading()
                connection.give_back()
            else:
                connection.abort()
        if self.status < 500 or self._result is _OK:
            self._release(_OK)
        else:
            self._release(Result.ERROR_STATUS, f"a response had status {self.status}")
        if delivery is not None:
            delivery.finish()

    # --- failures --------------------------------------------------------------------------

    def on_upstream_lost(self, error: Exception | None) -> None:
        """MLflow ended the connection before its response was complete."""
        connection, self._connection = self._connection, None
        self._held = None
        cause = own_words(error) if error else "closed"
        # An aged connection that MLflow closes meanwhile says nothing about MLflow's health.
        stale = connection is not None and connection.reused and not self.status
        self._release(Result.CANCELLED if stale else Result.RESET, cause)
        failure = (
            AttemptFailure.TIMEOUT if isinstance(error, TimeoutError) else AttemptFailure.RESET
        )
        self._try_again(failure, failures.connection_lost(cause, error))

    def on_upstream_silent(self) -> None:
        """MLflow has not moved for too long."""
        self._connection = None
        if not self.status and self._plane.clock() >= self._limit:
            total = self._balancer.terms.retry_policy.total
            failure = failures.repeated_in_vain(self._exchange.attempts, total)
        else:
            failure = failures.silent(self._balancer.terms.silence_timeout)
        self._release(Result.TIMEOUT, failure.message)
        self._give_up(failure)

    def on_upstream_invalid(self, error: ProtocolError) -> None:
        """MLflow's response cannot be understood."""
        self._connection = None
        self._release(Result.ERROR_STATUS, error.message)
        self._give_up(failures.invalid_response(error))

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        self._exchange.on_defect(error)

    def on_endpoint_down(self) -> None:
        """MLflow does not answer its probes there: go elsewhere, unless a response has begun."""
        connection = self._connection
        if connection is None or self._held is not None or not self._decision().again:
            return
        self._connection = None
        connection.abort()
        cause = "silent, and its probes fail"
        self._release(Result.TIMEOUT, cause)
        self._begin_again(AttemptFailure.ENDPOINT_DOWN, cause)

    def drop(self, result: Result = Result.CANCELLED) -> None:
        """Release everything that is still held."""
        self._wait_no_longer()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        self._release(result)

    def _forget_response(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.give_up()
