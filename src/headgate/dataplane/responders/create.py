"""Responds to a create that can be recognised: no second one for a response that was lost.

The first time it is sent to MLflow as any other request, and the table has it until its client has
the response.  When the same principal sends the same bytes again while that is in doubt, the
response is the one that MLflow gave, or is made of the one thing that it has created.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from headgate.cluster import Result
from headgate.contract import Create, read_create
from headgate.creates import BusyError, Claim, CreateTable, Notes, Place, Standing
from headgate.creates import Response as KeptResponse
from headgate.dataplane import failures
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.dataplane.creates import (
    MAX_CREATE_BYTES,
    Asked,
    CreateFinder,
    Resolution,
    claim_settled,
    digest_of,
    resolve,
    settle,
)
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.create_delivery import CreateDelivery, CreateKeeper
from headgate.dataplane.responders.delivery import Delivery
from headgate.dataplane.responders.detached_create import DetachedCreate
from headgate.dataplane.responders.forward import ForwardResponder
from headgate.dataplane.responders.lookup import Lookup
from headgate.events import CreateReconciled, Reconciled
from headgate.wire.response import Response

_WORKSPACE: Final = b"x-mlflow-workspace"
_CANCELLED: Final = Result.CANCELLED
CONFIRM_SECONDS: Final = 0.02
"""Between two looks at whether the client has taken the response."""
BUSY_SECONDS: Final = 0.01
"""Between two attempts to note a create while another process was stopped doing the same."""
HALF_CLOSED_SECONDS: Final = 1.0
"""How long a client that has ended its side may take to acknowledge the response."""


class CreateResponder(ForwardResponder, CreateKeeper):
    """Responds to one create; its whole body is collected before it starts.

    Args:
        exchange: learns how it ends.
        plane: what all connections share.
        client: is sent the response.
        decision: where the request goes.
        body: of the request.
        table: of the creates of all workers.
        finder: finds in MLflow what was created.
    """

    __slots__ = (
        "_answered",
        "_claim",
        "_confirm_until",
        "_create",
        "_digest",
        "_finder",
        "_looked",
        "_lookup",
        "_notes",
        "_place",
        "_settled",
        "_table",
        "_writing",
    )

    def __init__(
        self,
        exchange: ExchangeSide,
        plane: DataPlane,
        client: ClientSide,
        decision: Forward,
        body: RequestBody,
        table: CreateTable,
        finder: CreateFinder,
    ) -> None:
        super().__init__(exchange, plane, client, decision, body)
        self._table = table
        self._notes: Notes = table  # which may be others, for one that the store has
        self._finder = finder
        self._create: Create | None = None
        self._digest = b""
        self._claim: Claim | None = None
        self._lookup: Lookup | None = None
        self._looked = False
        self._settled = False
        self._place: Place | None = None
        self._answered = 0  # the status of MLflow's response, once its head is here
        self._writing = False
        self._confirm_until = 0.0

    # --- before it is sent -----------------------------------------------------------------

    def start(self) -> None:
        """Answer a create in doubt whose response is here; any other waits for an endpoint."""
        if not self._looked:
            self._looked = True
            if self._is_answered():
                return
        super().start()

    def _is_answered(self) -> bool:
        """Whether it repeats a create in doubt whose response is kept."""
        body, exchange, forward = self._body, self._exchange, self._forward
        if body is None or body.received > MAX_CREATE_BYTES:
            return False
        content = body.collected()
        self._create = create = read_create(forward.route.operation, content)
        if create is None:
            return False
        workspace = exchange.request.fields.values.get(_WORKSPACE)
        self._digest = digest_of(
            forward.principal.id.encode(),
            self._balancer.name.encode(),
            forward.route.canonical + forward.query,
            b"" if workspace is None else workspace,
            content,
        )
        return self._claims()

    def _claims(self) -> bool:
        """Whether a response is kept for it, or may be in a moment."""
        table = self._table
        if not self._settled:
            self._settled = True
            if self._waits_for_others():
                clock = self._plane.clock
                self._exchange.on_waits(clock())
                claims = claim_settled(table, self._digest, clock)
                self._lookup = Lookup(claims, self._exchange, self._on_settled, self._drop_claim)
                return True
        claim = self._claim
        if claim is None:
            return False
        self._plane.create_reports.start(table)
        kept = table.response(claim)
        if kept is None:
            return False
        self._replay(claim, Resolution(Reconciled.RESPONSE, kept))
        return True

    def _waits_for_others(self) -> bool:
        """Whether it has claimed nothing that is in doubt, and there are creates alike."""
        table, digest = self._table, self._digest
        try:
            self._claim = table.claim(digest)
        except BusyError:
            return True
        return self._claim is None and table.standing(digest, table.now) is not Standing.NONE

    def _on_settled(self, claim: Claim | None) -> None:
        """What there was to wait for has come, or does not come."""
        self._lookup = None
        self._claim = claim
        self._exchange.on_goes_on(self._plane.clock())
        if not self._claims():
            super().start()

    def _drop_claim(self, claim: Claim | None) -> None:
        """The client has left meanwhile."""
        if claim is not None:
            self._table.release(claim)

    def _look_up(self, claim: Claim, create: Create) -> None:
        """Find out what has come of the create in doubt, now that MLflow can be asked."""
        exchange, forward = self._exchange, self._forward
        exchange.on_waits(self._plane.clock())
        values = exchange.request.fields.values
        asked = Asked(
            create,
            values.get(_WORKSPACE),
            self._balancer.terms.credentials.lines(values, forward.principal),
        )
        self._lookup = Lookup(self._resolve(claim, asked), exchange, self._on_resolved)

    def _resolve(self, claim: Claim, asked: Asked) -> Coroutine[Any, Any, Resolution]:
        return resolve(self._table, claim, asked, self._finder, self._plane.clock, self._is_held)

    def _is_held(self) -> bool:
        """Whether requests must wait now, and so must the gate's search on behalf of one."""
        balancer, forward = self._balancer, self._forward
        writes = forward.route.operation.writes
        return balancer.busy and (
            balancer.parking.stopped(forward.principal, writes=writes) is not None
        )

    def _on_resolved(self, resolution: Resolution) -> None:
        """What has come of the create in doubt is known, or cannot be."""
        self._lookup = None
        self._exchange.on_goes_on(self._plane.clock())
        claim, result = self._claim, resolution.result
        if claim is None:
            return
        if resolution.response is not None:
            self._replay(claim, resolution)
        elif result is Reconciled.HELD:
            super().start()
        elif result is Reconciled.UNKNOWN:
            self._claim = None
            self._notes.release(claim)
            self._tell(result)
            self._give_up(failures.unreconciled())
        else:
            self._claim = None
            self._tell(result)
            self._send_as_new(claim, result)

    def _send_as_new(self, claim: Claim, result: Reconciled) -> None:
        self._table.lapse(claim, may_exist=result is not Reconciled.NONE)
        super().start()

    def _replay(self, claim: Claim, resolution: Resolution) -> None:
        """Respond with what MLflow has responded, or would have."""
        kept = resolution.response
        assert kept is not None  # noqa: S101 - the callers have looked
        self._claim, self._place = None, claim.place
        self._writing = self._table.write(claim.place, claimed=True)
        delivery = self._plain_delivery()
        delivery.pass_on(self._replayed(kept, resolution.result), [kept.body])
        self._confirm(delivery)

    def _replayed(self, kept: KeptResponse, result: Reconciled) -> Response:
        """The response to give, and say so."""
        self._exchange.detail = result.value
        self._tell(result)
        response = Response(b"", b"POST")
        response.status = kept.status
        response.lines = kept.lines + b"X-Headgate-Replayed: %b\r\n" % result.value.encode()
        return response

    def _tell(self, result: Reconciled) -> None:
        exchange = self._exchange
        self._plane.emit(
            CreateReconciled(
                exchange.request_id.decode("ascii"),
                self._balancer.name,
                self._forward.route.operation.name,
                result,
                round(self._plane.clock() - exchange.started, 3),
            )
        )

    # --- sent ------------------------------------------------------------------------------

    def _send(self, pool: Pool, connection: UpstreamConnection) -> None:
        claim, create = self._claim, self._create
        if claim is not None and create is not None:
            self._put_back(connection)
            self._look_up(claim, create)
            return
        if create is not None and self._place is None:
            try:
                place = self._place = self._table.begin(self._digest)
            except BusyError:
                self._put_back(connection)
                self._exchange.on_waits(self._plane.clock())
                pause = asyncio.sleep(BUSY_SECONDS)
                self._lookup = Lookup(pause, self._exchange, self._on_paused)
                return
            self._plane.create_reports.start(self._table)
            if place is not None and self._client.may_have_left:
                self._notes.leave(place)
        super()._send(pool, connection)

    def _put_back(self, connection: UpstreamConnection) -> None:
        """Nothing is sent to MLflow yet."""
        connection.give_back()
        self._release(_CANCELLED)
        self._tried = ()
        self._exchange.attempts = 0
        self._exchange.endpoint = ""
        self._client.resume_reading()

    def _on_paused(self, _nothing: None) -> None:
        """Another process was stopped while it changed what the processes share."""
        self._lookup = None
        self._exchange.on_goes_on(self._plane.clock())
        super().start()

    def on_client_half_closed(self) -> None:
        """The client sends no more: it may have given up, which looks the same."""
        if self._place is not None and not self._writing:
            self._notes.leave(self._place)
        elif self._claim is not None or self._lookup is not None:
            self._client.abort()  # what it waits for is for one that is there

    def on_response(self, response: Response | None, pieces: list[bytes], *, done: bool) -> None:
        """Some of the response is here: see ``ForwardResponder``."""
        if response is not None:
            self._answered = response.status
        super().on_response(response, pieces, done=done)

    def _new_delivery(self, response: Response | None) -> Delivery:
        if self._place is None:
            return super()._new_delivery(response)
        return self._plain_delivery()

    def _plain_delivery(self) -> CreateDelivery:
        return CreateDelivery(
            self._exchange, self._client, self, self._forward.route, self._body, self
        )

    def on_whole(self, response: Response, body: bytes) -> bool:
        """MLflow's response is here; whether it may be given to this client."""
        place, create = self._place, self._create
        if place is None or create is None:
            return True
        settle(self._notes, place, create, response, body)
        if response.status >= 300:
            self._place = None
            return True
        return self._begin_writing()

    def on_too_long(self) -> None:
        """The response is too long to be held back: it is passed on as it comes."""
        if self._place is not None:
            self._notes.forget(self._place)
            self._place = None

    def on_passed_on(self, delivery: CreateDelivery) -> None:
        """The response is written."""
        self._confirm(delivery)

    # --- the response is written -----------------------------------------------------------

    def _begin_writing(self) -> bool:
        place = self._place
        self._writing = place is None or self._table.write(place)
        if not self._writing:  # it has been claimed meanwhile: this client has given up
            self._place = None
        return self._writing

    def _confirm(self, delivery: CreateDelivery) -> None:
        """Go on once the client has the response, if the kernel is right."""
        place = self._place
        if place is None:
            delivery.end()
        elif self._client.has_all:
            self._place = None
            self._notes.written(place)
            delivery.end()
        else:
            if self._client.may_have_left:
                self._notes.leave(place)
            self._confirm_until = self._plane.clock() + HALF_CLOSED_SECONDS
            self._confirm_later(delivery)

    def _confirm_later(self, delivery: CreateDelivery) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(CONFIRM_SECONDS, self._confirm_again, delivery)

    def _confirm_again(self, delivery: CreateDelivery) -> None:
        place = self._place
        if self._exchange.ended or place is None:
            return
        try:
            late = self._plane.clock() >= self._confirm_until
            if self._client.has_all:
                self._place = None
                self._notes.written(place)
                delivery.end()
            elif late and self._client.may_have_left:
                self._place = None
                self._notes.unwritten(place)
                delivery.end()
            else:
                self._confirm_later(delivery)
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    # --- the end ---------------------------------------------------------------------------

    def drop(self, result: Result = _CANCELLED) -> None:
        """Release everything; MLflow goes on with what it was sent, and its response is kept."""
        lookup, self._lookup = self._lookup, None
        if lookup is not None:
            lookup.cancel()
        claim, self._claim = self._claim, None
        if claim is not None:
            self._notes.release(claim)
        place, self._place = self._place, None
        if place is not None:
            self._leave(place)
        super().drop(result)

    def _leave(self, place: Place) -> None:
        """Nobody will have the response from here, or it is not known whether anybody had it."""
        connection, pool, create = self._connection, self._pool, self._create
        delivery = self._delivery
        held = delivery if isinstance(delivery, CreateDelivery) else None
        # A response that was begun and is not held was no response of MLflow's to a create.
        is_refused = self._answered >= 300 or (self._answered and held is None)
        if connection is not None and connection.receiver is not self:
            connection = None  # it has ended: nothing comes on it any more
        if self._writing:
            self._notes.unwritten(place)
        elif connection is None or pool is None or create is None or is_refused:
            self._notes.abandon(place, status=self._answered)
        else:
            self._notes.leave(place)
            if not self._client.writable:
                connection.transport.resume_reading()
            DetachedCreate(
                self._notes,
                place,
                create,
                self._balancer,
                pool,
                connection,
                self._plane.clock(),
                held.response if held is not None else None,
                held.pieces if held is not None else [],
            )
            # Both are its own from here on.
            self._connection = None
            self._pool = None
