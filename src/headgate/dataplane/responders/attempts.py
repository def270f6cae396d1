"""The attempts that one request makes: the phase select, and whether another attempt follows."""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from typing import Final

from headgate.cluster import Result, RetryDecision, Unavailable, Why, decide_retry
from headgate.dataplane import failures
from headgate.dataplane.balancer import refusal
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder
from headgate.dataplane.request_body import RequestBody
from headgate.errors import Refusal
from headgate.events import RequestRetried
from headgate.limits import QUEUE
from headgate.model import AttemptFailure, Endpoint, Phase

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Result.OK
_SELECT: Final = Phase.SELECT
_PARKED: Final = Why.PARKED
_READ_ONLY: Final = Why.READ_ONLY


class Attempts(Responder):
    """What a request has tried, and what it may still try.

    ``_pool`` is the endpoint whose place it holds; ``_limit``, when a request that was repeated
    must have its response; ``_sent``, whether an attempt may have reached MLflow; ``_queued_at``,
    since when it waits in a queue, 0 while it does not; ``_is_parked``, whether that is for the end
    of a park; ``_moves``, whether it counts as a transfer.
    """

    __slots__ = (
        "_balancer",
        "_body",
        "_client",
        "_connecting",
        "_exchange",
        "_forward",
        "_is_parked",
        "_limit",
        "_moves",
        "_plane",
        "_pool",
        "_queued_at",
        "_retrying",
        "_sent",
        "_tried",
    )

    def __init__(
        self,
        exchange: ExchangeSide,
        plane: DataPlane,
        client: ClientSide,
        forward: Forward,
        body: RequestBody | None,
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self._plane = plane
        self._client = client
        self._forward = forward
        self._body = body
        self._balancer = forward.route.balancer
        self._connecting: asyncio.Task[None] | None = None
        self._pool: Pool | None = None
        self._limit = math.inf
        self._queued_at = 0.0
        self._is_parked = False
        self._moves = False
        self._retrying = False
        self._sent = False
        self._tried: tuple[Endpoint, ...] = ()

    @property
    def _begun(self) -> bool:
        """Whether it has an endpoint, or waits for one."""
        return self._pool is not None or self._queued_at != 0.0

    @property
    def under_way(self) -> bool:
        """See ``Responder``."""
        return self._pool is not None

    @abstractmethod
    def _send(self, pool: Pool, connection: UpstreamConnection) -> None:
        """Send the request, now that there is a connection."""

    @abstractmethod
    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""

    # --- select ----------------------------------------------------------------------------

    def start(self) -> None:
        """Choose an endpoint and send the request there, or wait for what that takes."""
        exchange, forward = self._exchange, self._forward
        exchange.phase = _SELECT
        chosen = self._balancer.choose(
            self._tried, forward.principal, forward.route.operation.writes
        )
        if isinstance(chosen, Unavailable):
            if chosen.why is _PARKED and (exchange.released or self._overtakes()):
                chosen = self._choose_released(chosen)
            if isinstance(chosen, Unavailable):
                self._do_without(chosen)
                return
        if exchange.released:
            exchange.on_placed()
        self._pool = chosen
        exchange.endpoint = chosen.name
        exchange.attempts += 1
        if exchange.trace is not None:
            self._begin_span()
        connection = chosen.take()
        if connection is not None:
            exchange.connecting_at = 0.0
            self._send(chosen, connection)
        else:
            exchange.connecting_at = self._plane.clock()
            self._client.pause_reading()
            self._connecting = chosen.connect(self)

    def _begin_span(self) -> None:
        trace, tracer = self._exchange.trace, self._plane.tracer
        if trace is not None and tracer is not None:
            tracer.attempt(trace)

    def _overtakes(self) -> bool:
        """Whether it goes on before those that wait since a park."""
        parking = self._balancer.parking
        if not parking.overtakes(self._forward.route.operation.name):
            return False
        self._exchange.released = parking.parks
        return True

    def _choose_released(self, why: Unavailable) -> Pool | Unavailable:
        """Choose once more for a request whose turn has come after a park."""
        if not self._balancer.parking.let_pass(self._exchange.released):
            return why
        forward = self._forward
        return self._balancer.choose(self._tried, forward.principal, forward.route.operation.writes)

    def _do_without(self, why: Unavailable) -> None:
        """No endpoint can be had now: wait where that can help."""
        if why.why is _PARKED:
            self._hold(why)
        elif why.why is _READ_ONLY:
            self._give_up(refusal(why, sent=self._sent))
        else:
            self._wait_for_room(why)

    def _hold(self, why: Unavailable) -> None:
        """Wait for the end of a park, unless the gate can answer for MLflow."""
        exchange, balancer, operation = (
            self._exchange,
            self._balancer,
            self._forward.route.operation,
        )
        known = balancer.parking.known_answer(operation.name)
        if known is not None:
            exchange.on_answered(known)
            return
        now = self._plane.clock()
        hold = balancer.parking.policy.longest_hold(is_export=exchange.exports)
        deadline = (exchange.asked_at or exchange.started) + hold
        if self._limit != math.inf:  # an attempt must be able to begin after the longest wait
            deadline = min(deadline, self._limit - balancer.terms.retry_policy.reserve)
        self._queued_at, self._is_parked = now, True
        principal = self._forward.principal
        if self._plane.draining or not balancer.queue(self, why, principal, deadline):
            self._queued_at, self._is_parked = 0.0, False
            self._give_up(refusal(why, sent=self._sent))
        elif self._queued_at:
            exchange.on_hold()

    def _wait_for_room(self, why: Unavailable) -> None:
        """Join the queue, where waiting can help."""
        now = self._queued_at = self._plane.clock()
        # An attempt must be able to begin after the longest wait.
        latest = self._limit - self._balancer.terms.retry_policy.reserve
        may_wait = now + self._balancer.queue_timeout <= latest
        if not may_wait or not self._balancer.queue(self, why, self._forward.principal):
            self._queued_at = 0.0
            self._give_up(refusal(why, sent=self._sent))
        elif self._queued_at:  # the one whose place it has taken may have made room by that
            self._client.pause_reading()

    def on_room(self) -> None:
        """An endpoint may have room, or a park is over."""
        if self._is_parked:
            self._exchange.released = self._balancer.parking.parks
        self._leave_queue()
        try:
            refused = self._exchange.reconsidered()
            if refused is None:
                self.start()
            else:
                self._exchange.on_failed(refused, Phase.AUTHENTICATE)
        except Exception as error:  # noqa: BLE001 - supervisor: the request that made room goes on
            self.on_defect(error)

    def on_wait_over(self) -> None:
        """None had room in time, or the park lasts longer than the client can wait."""
        is_parked = self._is_parked
        self._leave_queue()
        if is_parked:
            self._give_up(refusal(self._balancer.parking.parked(), sent=self._sent))
            return
        limit = self._balancer.queue_timeout
        self._give_up(failures.waited_in_vain(limit, sent=self._sent))

    def on_drain(self) -> None:
        """The worker stops: another one is to hold the request."""
        if self._is_parked:
            self._balancer.leave(self)
            self._leave_queue()
            self._give_up(failures.parked_at_draining_gate(sent=self._sent))

    def on_displaced(self) -> None:
        """The queue is full, and its sender has the most requests there."""
        is_parked = self._is_parked
        self._leave_queue()
        if is_parked:
            self._give_up(refusal(self._balancer.parking.parked(held=False), sent=self._sent))
            return
        self._plane.tally.refused(QUEUE, self._forward.principal)
        self._give_up(failures.displaced(sent=self._sent))

    def on_connected(self, connection: UpstreamConnection) -> None:
        """A new connection to MLflow is open."""
        self._stop_connecting()
        pool = self._pool
        if self._exchange.ended or pool is None:
            connection.abort()
            return
        try:
            self._send(pool, connection)
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    def on_connect_failed(self, endpoint: Endpoint, error: OSError) -> None:
        """No connection could be opened."""
        self._stop_connecting()
        failure = failures.cannot_connect(endpoint, error, sent=self._sent)
        self._release(Result.CONNECT_FAILED, failure.detail)
        self._try_again(AttemptFailure.CONNECT_FAILED, failure)

    def _leave_queue(self) -> None:
        """The wait for room is over, whatever came of it."""
        seconds = self._plane.clock() - self._queued_at
        if self._is_parked:
            self._exchange.on_held(seconds)
        else:
            self._exchange.on_queued(seconds)
        self._queued_at, self._is_parked = 0.0, False

    def _stop_connecting(self) -> None:
        """The wait for a connection is over, whatever came of it."""
        self._connecting = None
        self._exchange.on_connecting(self._plane.clock())

    def _wait_no_longer(self) -> None:
        """Neither for room nor for a connection: the response is no longer wanted."""
        if self._queued_at:
            self._leave_queue()
            self._balancer.leave(self)
        if self._connecting is not None:
            self._connecting.cancel()
            self._stop_connecting()

    # --- another attempt -------------------------------------------------------------------

    def _try_again(self, failure: AttemptFailure, refusal: Refusal) -> None:
        """Make another attempt if the rules allow it, else fail with ``refusal``.

        Where an endpoint accepts no connection, only another one helps.
        """
        decision = self._decision()
        helps = failure is not AttemptFailure.CONNECT_FAILED or self._has_other()
        if decision.again and helps:
            self._begin_again(failure, refusal.detail)
        else:
            self._give_up(failures.not_repeated(refusal, decision))

    def _decision(self) -> RetryDecision:
        """Whether the rules allow another attempt."""
        body, exchange = self._body, self._exchange
        return decide_retry(
            self._forward.route.operation.retry,
            sent=self._sent,
            answered=self.status != 0,
            repeatable=body is None or body.repeatable,
            attempts=exchange.attempts,
            elapsed=self._plane.clock() - exchange.started,
            budget=self._balancer.may_retry(),
            policy=self._balancer.terms.retry_policy,
        )

    def _has_other(self) -> bool:
        """Whether an endpoint can be had that this request has not tried."""
        return self._balancer.has_other(self._tried)

    def _begin_again(self, failure: AttemptFailure, detail: str) -> None:
        """Make another attempt; from here on its time is bounded."""
        exchange, balancer = self._exchange, self._balancer
        exchange.on_repeated(failure, detail, self._plane.clock())
        request_id = exchange.request_id.decode("ascii")
        self._plane.emit(
            RequestRetried(request_id, balancer.name, exchange.endpoint, failure, detail)
        )
        balancer.retry_started()
        self._retrying = True
        self._limit = exchange.started + balancer.terms.retry_policy.total
        self.start()

    def _give_up(self, failure: Refusal) -> None:
        self._exchange.on_failed(failure)

    def _release(self, result: Result, error: str = "") -> None:
        """Give the endpoint's place back; the one way in which an attempt ends."""
        if self._moves:
            self._end_transfer()
        if self._retrying:
            self._retrying = False
            self._balancer.retry_ended()
        if result is not _OK:
            self._forget_response()
        pool, self._pool = self._pool, None
        if pool is not None:
            if result is not _OK and pool.endpoint not in self._tried:
                self._tried += (pool.endpoint,)
            self._balancer.finish(pool, result, error)

    def _begin_transfer(self) -> None:
        """Bytes are on their way."""
        self._moves = True
        self._balancer.parking.transfers.begin(self, self._plane.clock())

    def _end_transfer(self) -> None:
        """They are not any more."""
        self._moves = False
        self._balancer.parking.transfers.end(self)

    @abstractmethod
    def _forget_response(self) -> None:
        """What was kept of the response of an attempt that failed is worth nothing."""
