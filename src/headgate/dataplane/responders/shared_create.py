"""Responds to a create that several gates know of.

It is as at one gate, but that the store is asked: before the create is sent to MLflow, and before
the response is given to the client.  A create that the store does not take in time
is remembered by this gate alone.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from headgate.cluster import Result
from headgate.creates import Claim, CreateTable, Place
from headgate.creates import Response as KeptResponse
from headgate.dataplane.creates import Asked, CreateFinder, Resolution, kept_response
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.create import CreateResponder
from headgate.dataplane.responders.create_delivery import CreateDelivery, HeldBackDelivery
from headgate.dataplane.responders.lookup import Lookup
from headgate.dataplane.shared_creates import (
    Entry,
    Given,
    SharedCreates,
    SharedSearch,
    enter,
    send_as_new,
)
from headgate.events import Reconciled
from headgate.wire.response import Response

_CANCELLED: Final = Result.CANCELLED


class SharedCreateResponder(CreateResponder):
    """Responds to one create; its whole body is collected before it starts.

    Args:
        exchange: learns how it ends.
        plane: what all connections share.
        client: is sent the response.
        decision: where the request goes.
        body: of the request.
        table: of the creates of all workers.
        finder: finds in MLflow what was created.
        shared: the creates of all gates.
    """

    __slots__ = ("_asking", "_entered", "_giving", "_held_back", "_shared")

    def __init__(
        self,
        exchange: ExchangeSide,
        plane: DataPlane,
        client: ClientSide,
        decision: Forward,
        body: RequestBody,
        table: CreateTable,
        finder: CreateFinder,
        shared: SharedCreates,
    ) -> None:
        super().__init__(exchange, plane, client, decision, body, table, finder)
        self._shared = shared
        self._asking: Lookup | None = None
        self._giving: Lookup | None = None
        self._entered = False
        self._held_back: HeldBackDelivery | None = None

    @property
    def _is_shared(self) -> bool:
        """Whether the store has this create; else only this gate does."""
        return self._notes is self._shared

    # --- before it is sent -----------------------------------------------------------------

    def _claims(self) -> bool:
        """Whether there is something to wait for, or to respond with, before it is sent."""
        if super()._claims():
            return True
        if self._claim is not None or self._entered:
            return False  # what this gate alone remembers, the store has never taken
        if not self._shared.is_up:
            self._entered = True
            self._shared.miss()
            return False
        self._ask(enter(self._shared, self._digest))
        return True

    def _ask(self, work: Coroutine[Any, Any, Entry]) -> None:
        self._entered = True
        self._exchange.on_waits(self._plane.clock())
        self._asking = Lookup(work, self._exchange, self._on_entered, self._drop_entry)

    def _drop_entry(self, entry: Entry) -> None:
        """The client has left meanwhile."""
        if entry.place is not None:
            self._shared.forget(entry.place)
        if entry.claim is not None:
            self._shared.release(entry.claim)

    def _on_entered(self, entry: Entry) -> None:
        """The store has it now, or does not take it."""
        self._asking = None
        self._exchange.on_goes_on(self._plane.clock())
        place, claim = entry.place, entry.claim
        self._place, self._claim = place, claim
        self._notes = self._table if place is None and claim is None else self._shared
        if place is not None and self._client.may_have_left:
            self._shared.leave(place)
        if claim is not None and entry.response is not None:
            self._replay(claim, Resolution(Reconciled.RESPONSE, entry.response))
        else:
            self.start()

    def _resolve(self, claim: Claim, asked: Asked) -> Coroutine[Any, Any, Resolution]:
        if not self._is_shared:
            return super()._resolve(claim, asked)
        search = SharedSearch(self._shared, claim, self._digest, asked, self._finder)
        return search.resolve(self._is_held)

    def _send_as_new(self, claim: Claim, result: Reconciled) -> None:
        if self._is_shared:
            self._ask(send_as_new(self._shared, claim, self._digest))
        else:
            super()._send_as_new(claim, result)

    # --- the response is given -------------------------------------------------------------

    def _replay(self, claim: Claim, resolution: Resolution) -> None:
        kept = resolution.response
        if kept is None or not self._is_shared:
            if kept is not None:
                self._note(kept.body)
            super()._replay(claim, resolution)
            return
        self._claim, self._place = None, claim.place
        delivery = self._held_back_delivery()
        delivery.pass_on(self._replayed(kept, resolution.result), [kept.body])
        self._give(claim.place, kept)
        delivery.finish()

    def on_whole(self, response: Response, body: bytes) -> bool:
        """MLflow's response is here; whether it may be given to this client."""
        place, create = self._place, self._create
        if self._is_shared and place is not None and create is not None and response.status < 300:
            self._give(place, kept_response(response, body))
            return True
        is_given = super().on_whole(response, body)
        if self._is_shared and self._held_back is not None:
            self._held_back.is_free = True
        elif is_given and response.status < 300:
            self._note(body)
        return is_given

    def _note(self, body: bytes) -> None:
        """Let the other gates know of what is given that the store does not have."""
        if self._create is not None:
            self._shared.note(self._digest, self._create.made_of(body))

    def _give(self, place: Place, response: KeptResponse) -> None:
        """Ask whether the response may be given; the delivery holds it back."""
        create = self._create
        made = "" if create is None else create.made_of(response.body)
        self._writing = True
        giving = self._shared.give(place, self._digest, response, made)
        self._giving = Lookup(giving, self._exchange, self._on_given)

    def _on_given(self, given: Given) -> None:
        """The store says who may have it, or does not say."""
        self._giving = None
        delivery = self._held_back
        if delivery is None:
            return
        if given is Given.NO:
            self._place = None
            self._client.abort()  # it is to come again
        else:
            delivery.send()

    def _plain_delivery(self) -> CreateDelivery:
        if not self._is_shared:
            return super()._plain_delivery()
        return self._held_back_delivery()

    def _held_back_delivery(self) -> HeldBackDelivery:
        held = HeldBackDelivery(
            self._exchange, self._client, self, self._forward.route, self._body, self
        )
        self._held_back = held
        return held

    def on_too_long(self) -> None:
        """The response is too long to be held back: it is passed on as it comes."""
        super().on_too_long()
        if self._is_shared:
            self._notes = self._table

    # --- the end ---------------------------------------------------------------------------

    def drop(self, result: Result = _CANCELLED) -> None:
        """Release everything; MLflow goes on with what it was sent, and its response is kept."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
        giving, self._giving = self._giving, None
        if giving is not None:
            giving.cancel()
        super().drop(result)

    def _leave(self, place: Place) -> None:
        if self._is_shared and not self._sent and not self._writing:
            self._shared.forget(place)  # it has not reached MLflow
        else:
            super()._leave(place)
