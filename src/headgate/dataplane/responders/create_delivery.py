"""What the client is sent of the response to a create: all of it together, once it is whole."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from mypy_extensions import trait

from headgate.dataplane.decisions import Route
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.delivery import PlainDelivery
from headgate.wire.response import Response

MAX_HELD: Final = 1024 * 1024
"""A response that is longer is passed on as it comes."""


@trait
class CreateKeeper:
    """Keeps the response to a create until its client has it."""

    __slots__ = ()

    @abstractmethod
    def on_whole(self, response: Response, body: bytes) -> bool:
        """The response is here; whether it may be given to this client."""

    @abstractmethod
    def on_too_long(self) -> None:
        """The response is too long to be held back."""

    @abstractmethod
    def on_passed_on(self, delivery: CreateDelivery) -> None:
        """The response is written; ``delivery.end`` is called once the client has it."""


class CreateDelivery(PlainDelivery):
    """Holds the response back until it is whole, so that it is kept before it is given out.

    Attributes:
        response: its head, once that is here.
        pieces: what is here of its body.
    """

    __slots__ = ("_held", "_keeper", "_passing", "_withheld", "pieces", "response")

    def __init__(
        self,
        exchange: ExchangeSide,
        client: ClientSide,
        responder: Responder,
        route: Route,
        body: RequestBody | None,
        keeper: CreateKeeper,
    ) -> None:
        super().__init__(exchange, client, responder, route, body, False)
        self._keeper = keeper
        self._held = 0
        self._passing = False
        self._withheld = False
        self.response: Response | None = None
        self.pieces: list[bytes] = []

    def take(self, response: Response | None, pieces: list[bytes], *, done: bool) -> bool:
        """See ``Delivery``."""
        if self._passing:
            return super().take(response, pieces, done=done)
        if response is not None:
            self.response = response
        self.pieces += pieces
        self._held += sum(map(len, pieces))
        head = self.response
        if head is None or (not done and self._held <= MAX_HELD):
            return True
        if not done:
            self._passing = True
            self._keeper.on_too_long()
            held, self.pieces = self.pieces, []
            return super().take(head, held, done=False)
        body = b"".join(self.pieces)
        if self._keeper.on_whole(head, body):
            self.pass_on(head, [body])
        else:
            self._withheld = True
        return True

    @property
    def is_withheld(self) -> bool:
        """Whether the client is not given the response."""
        return self._withheld

    def pass_on(self, response: Response, pieces: list[bytes]) -> None:
        """Send the client a whole response."""
        super().take(response, pieces, done=True)

    def finish(self) -> None:
        """See ``Delivery``; ``end`` completes the exchange."""
        if self._withheld:
            self._client.abort()
        else:
            self._keeper.on_passed_on(self)

    def end(self) -> None:
        """The client has the response."""
        super().finish()


class HeldBackDelivery(CreateDelivery):
    """Holds a response back until it is known whether the client may have it.

    Until then the client has not a byte of it: MLflow's comes again where a connection ends before
    the response, and gives up where it ends in the middle.

    Attributes:
        is_free: whether nothing is to be held back, or no longer.
    """

    __slots__ = ("_finished", "_waiting", "_waiting_pieces", "is_free")

    def __init__(
        self,
        exchange: ExchangeSide,
        client: ClientSide,
        responder: Responder,
        route: Route,
        body: RequestBody | None,
        keeper: CreateKeeper,
    ) -> None:
        super().__init__(exchange, client, responder, route, body, keeper)
        self._waiting: Response | None = None
        self._waiting_pieces: list[bytes] = []
        self._finished = False
        self.is_free = False

    def pass_on(self, response: Response, pieces: list[bytes]) -> None:
        """Send the client a whole response, once it may have it."""
        if self.is_free:
            super().pass_on(response, pieces)
        else:
            response.hold()
            self._waiting, self._waiting_pieces = response, pieces

    def send(self) -> None:
        """The client may have it."""
        self.is_free = True
        response, pieces = self._waiting, self._waiting_pieces
        self._waiting, self._waiting_pieces = None, []
        if response is not None:
            super().pass_on(response, pieces)
        if self._finished:
            super().finish()

    def finish(self) -> None:
        """See ``Delivery``."""
        self._finished = True
        if self.is_free or self._passing or self.is_withheld:
            super().finish()
