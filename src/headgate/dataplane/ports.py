"""The borders within the data plane: what each part may ask of another that it does not import.

Imports run one way: ``client`` builds an ``Exchange`` for each request, the exchange builds a
``Responder`` from the decision, and all of them know ``plane``, which they share.  What has to go
the other way goes through the classes here:

- the plane sweeps, drains and aborts its ``SweptConnection`` objects;
- an exchange and its responder reach the client through ``ClientSide``;
- a responder reports to its exchange through ``ExchangeSide``, and what takes the request's body
  through ``CollectingExchange``;
- an exchange starts and ends its ``Responder``.

They are base classes and not protocols, since mypyc calls the method of a base class for the price
of two loads, and looks the method of a protocol up by its name.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import Caller
from headgate.dataplane.local_responses import LocalResponse
from headgate.dataplane.record import RequestRecord
from headgate.errors import Refusal
from headgate.model import Phase, SpanContext
from headgate.reasons import Reason
from headgate.wire.request import Request


class SweptConnection:
    """A client connection as the plane sees it.

    Attributes:
        caller: what is known of the client.
        deadline: when ``on_deadline`` is due, on the plane's clock; infinite if never.
        stranger: the neighbourhood that the connection counts for until its client has shown a
            good key, then empty.
    """

    __slots__ = ("caller", "deadline", "stranger")

    def __init__(self, stranger: str) -> None:
        self.caller: Caller
        self.deadline = math.inf
        self.stranger = stranger

    @property
    @abstractmethod
    def unread(self) -> bool:
        """Whether nothing is read from the client, so that asyncio does not say when it leaves."""

    @property
    @abstractmethod
    def balancer(self) -> Balancer | None:
        """The upstream of the request under way, once that has been admitted."""

    def writes_to(self, balancer: Balancer) -> bool:  # noqa: ARG002 - there is no request yet
        """Whether the request under way is at that upstream, and may change something there."""
        return False

    @abstractmethod
    def forget(self) -> None:
        """Understand the next head anew, since what is made of heads has changed."""

    @abstractmethod
    def look(self) -> None:
        """Find out whether the client has left."""

    @abstractmethod
    def on_deadline(self, now: float) -> None:
        """End a wait that has lasted too long."""

    @abstractmethod
    def on_crowded(self) -> None:
        """Give up the head that is not complete: all of them together are too much."""

    @abstractmethod
    def on_drain(self) -> None:
        """Close, unless a request is under way."""

    @abstractmethod
    def on_stopped(self) -> None:
        """End now, whether or not the request under way has been responded to."""

    @abstractmethod
    def abort(self) -> None:
        """Cut the connection, so that the client cannot take a broken response for a whole one."""


class ClientSide(SweptConnection):
    """A client connection as the exchange and the responder of its request see it.

    Attributes:
        writable: whether the client takes what it is sent; if not, its responder has to wait.
    """

    __slots__ = ("writable",)

    def __init__(self, stranger: str) -> None:
        super().__init__(stranger)
        self.writable = True

    @property
    @abstractmethod
    def has_all(self) -> bool:
        """Whether the client has all that was written, if that can be known.

        That is what the kernel has taken; from a client that has ended its side, and so may be
        gone, what it has acknowledged.
        """

    @property
    @abstractmethod
    def may_have_left(self) -> bool:
        """Whether the client has ended its side: one that has left looks the same at first."""

    @property
    @abstractmethod
    def body_done(self) -> bool:
        """Whether the request under way has arrived whole."""

    @abstractmethod
    def can_discard(self) -> bool:
        """Whether the rest of the request is short enough to be read over."""

    @abstractmethod
    def vouch(self) -> None:
        """The client has shown a good key."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send a part of the response."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Stop taking bytes from the client."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Take bytes from the client again, unless enough of them wait already."""

    @abstractmethod
    def on_exchange_end(self, *, keep: bool) -> None:
        """The response is written; ``keep`` says whether another request may follow."""


class ExchangeSide(RequestRecord):
    """An exchange as its responder sees it, which notes in the record what comes of the request.

    Attributes:
        ended: whether the outcome is made; what a responder still reports changes nothing.
        close: whether the client's connection ends with this response.
        released: how many parks there had been when the request was released from the last one
            that it waited for; 0 if it has waited for none.
    """

    __slots__ = ("close", "ended", "released")

    def __init__(
        self,
        request: Request,
        request_id: bytes,
        phase: Phase,
        started: float,
        trace: SpanContext | None,
    ) -> None:
        super().__init__(request, request_id, phase, started, trace)
        self.ended = False
        self.close = request.fields.close
        self.released = 0

    @abstractmethod
    def settle_connection(self, request_done: bool) -> bytes:
        """Decide whether the client's connection outlives the response that begins now.

        Returns the field that says so, where that does not go without saying.
        """

    @abstractmethod
    def invite_body(self) -> None:
        """Send ``100 Continue`` where the client waits for it, now that its body can be taken."""

    @abstractmethod
    def on_responded(self, reason: Reason) -> None:
        """The response is complete; ``reason`` is what it says of itself, if it is the gate's."""

    @abstractmethod
    def on_hold(self) -> None:
        """The request is held, and takes up nothing of the gate's limits until ``on_held``."""

    @abstractmethod
    def reconsidered(self) -> Refusal | None:
        """Why the request, which has waited, may not pass any more; ``None``: it may."""

    @abstractmethod
    def on_placed(self) -> None:
        """A request that was released has a place at an endpoint."""

    @abstractmethod
    def on_answered(self, response: LocalResponse) -> None:
        """The gate itself answers for MLflow."""

    @abstractmethod
    def on_failed(self, failure: Refusal, phase: Phase | None = None) -> None:
        """There is no response, or only a part of one.

        Args:
            failure: what the client is sent, if it can still be sent anything.
            phase: in which it failed, if not in the one where the request is.
        """

    @abstractmethod
    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""


class CollectingExchange(ExchangeSide):
    """An exchange as the intake of its request's body sees it."""

    __slots__ = ()

    @abstractmethod
    def on_body_due(self, pieces: list[bytes]) -> None:
        """So much of the body is to be sent on, in the form in which MLflow is sent it."""

    @abstractmethod
    def on_body_collected(self) -> None:
        """The whole body is here, and was waited for."""


class Responder:
    """Responds to one request: MLflow does, through the gate, or the gate itself.

    Whatever happens to it, it reports to its exchange once: the response is complete
    (``on_responded``), or there is none (``on_failed``, ``on_defect``).

    Attributes:
        status: of the response, once any of it has been sent to the client; 0 before.
        bytes_out: bytes of the response's body that were sent.
    """

    __slots__ = ("bytes_out", "status")

    def __init__(self) -> None:
        self.status = 0
        self.bytes_out = 0

    @property
    @abstractmethod
    def takes_more(self) -> bool:
        """Whether more of the request's body is welcome now."""

    @property
    def under_way(self) -> bool:
        """Whether MLflow has the request, or is about to."""
        return False

    @abstractmethod
    def start(self) -> None:
        """Begin; called once, as soon as what is needed of the request is here."""

    @abstractmethod
    def send(self, pieces: list[bytes]) -> None:
        """Take more of the request's body, in the form in which it is sent on."""

    def on_client_half_closed(self) -> None:
        """The client has ended what it sends, and perhaps left: that looks the same."""

    @abstractmethod
    def on_client_full(self) -> None:
        """The client reads slowly: send it no more for now."""

    @abstractmethod
    def on_client_drained(self) -> None:
        """The client has caught up."""

    @abstractmethod
    def drop(self) -> None:
        """Release everything that is still held: the response is no longer wanted."""

    def on_drain(self) -> None:
        """The worker stops: what may take long and has not begun is refused."""
