"""One connection from a client: reads requests in order, writes their responses.

Theory of operation: the connection is in one of the stages of ``connection_states``, whose table
has every way between them and what an expired wait means; ``StagedClient`` goes from one to the
next.  asyncio reports what the client does,
the ``Exchange`` of the request under way reports how far the response is, and the plane reports
time; each report is judged by the stage.  There is an exchange in the stages ``body``,
``responding``, ``discarding`` and ``broken``, and in no other.

While a request is under way, what the client sends after it waits; while nothing can take a
body, the socket is not read.  So memory per connection is bounded whatever the client does.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, cast

from headgate.dataplane import failures
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.client_socket import least_moved
from headgate.dataplane.client_stage import StagedClient
from headgate.dataplane.connection_states import (
    BODY,
    BROKEN,
    CLOSED,
    CLOSING,
    DISCARDING,
    HEAD,
    IDLE,
    LINGERING,
    NEW,
    RESPONDING,
    Expiry,
)
from headgate.dataplane.exchange import Exchange
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.request_reader import RequestReader
from headgate.events import CutLimit, TurnedAway
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.wire.body import BodyReader, ChunkedBody, CountedBody
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request
from headgate.wire.request_fields import CHUNKED

DISCARD_BYTES: Final = 64 * 1024
"""A refused request's body is read over up to this size, so that the connection can be kept."""
_CLOSED_BY: Final = {
    NEW.number: CutLimit.HEADER_TIMEOUT,
    IDLE.number: CutLimit.KEEPALIVE_TIMEOUT,
    DISCARDING.number: CutLimit.BODY_TIMEOUT,
}
"""The limit that ends a stage whose connections are closed; in the others they end anyway."""


class ClientConnection(StagedClient, asyncio.Protocol):
    """One TCP connection from a client.

    Args:
        plane: what all connections share.
        scheme: ``http`` or ``https``.
        admitted: what ``Admission.enter`` said before the TLS handshake; ``None`` without one.
        address: the client's, as its PROXY header has it; empty: that of the connection.

    Attributes:
        handshaking: it is counted already, and its TLS handshake is not done.
    """

    __slots__ = ("_body", "_exchange", "_mark", "_receiving", "handshaking")

    def __init__(
        self,
        plane: DataPlane,
        scheme: str = "http",
        admitted: str | None = None,
        address: str = "",
    ) -> None:
        super().__init__(plane, scheme, admitted or "", address)
        self.handshaking = admitted is not None
        self._exchange: Exchange | None = None
        self._body: BodyReader
        self._mark = 0
        self._receiving = False

    # --- called by asyncio -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self._plane
        self._open(cast("asyncio.Transport", transport))
        self._reader = RequestReader(plane, self.caller)
        if self.handshaking:
            self.handshaking = False
        else:
            entered = plane.admission.enter(self.caller.address)
            if isinstance(entered, TurnedAway):
                self._turn_away(entered)
                return
            self.stranger = entered
        plane.connections[self] = None
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._receiving = True
        try:
            self._receive(data)
        except ProtocolError as error:
            self._broken(error.head).on_malformed(error)
        except Exception as defect:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self._broken().on_defect(defect)  # a name of its own: to mypyc, ``error`` has one type
        finally:
            self._receiving = False

    def eof_received(self) -> bool:
        """The client sends no more; a response under way is still delivered (half-close).

        TLS connections cannot be half closed in asyncio: there the client has left.  So has one
        whose request is held: it would be done long after its client has sent it again.
        """
        self.half_closed = True
        exchange = self._exchange
        if exchange is None:
            return len(self._reader) > 0 and not self.writable and self.transport.can_write_eof()
        if self.stage is RESPONDING and self.transport.can_write_eof() and not exchange.is_held:
            exchange.on_client_half_closed()
            return True
        exchange.on_client_lost()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._plane.leave(self)
        exchange, self._exchange = self._exchange, None
        self._enter(CLOSED)
        self.deadline = math.inf
        if exchange is not None:
            exchange.on_client_lost()

    def pause_writing(self) -> None:
        self.writable = False
        self._unsent = math.inf
        self.deadline = self._plane.clock() + self._plane.limits.body_timeout
        if self._exchange is not None:
            self._exchange.on_client_full()

    def resume_writing(self) -> None:
        self.writable = True
        self.deadline = math.inf
        exchange, stage = self._exchange, self.stage
        if exchange is not None:
            exchange.on_client_drained()
            self._expect_body()
        elif stage is CLOSING:
            self._enter(LINGERING)
        else:
            self._wait()
            if stage is not LINGERING:
                self._next()

    # --- called by the exchange and its responder: see ClientSide --------------------------

    def vouch(self) -> None:
        if self.stranger:
            self._plane.admission.vouch(self.stranger)
            self.stranger = ""

    @property
    def body_done(self) -> bool:
        return self.stage is RESPONDING

    @property
    def balancer(self) -> Balancer | None:
        return self._exchange.balancer if self._exchange is not None else None

    def writes_to(self, balancer: Balancer) -> bool:
        return self._exchange is not None and self._exchange.writes_to(balancer)

    def can_discard(self) -> bool:
        exchange = self._exchange
        if exchange is None or self.stage is not BODY:
            return False
        body = self._body
        return (
            isinstance(body, CountedBody)
            and body.remaining <= DISCARD_BYTES
            and not exchange.request.fields.expects_continue
        )

    def pause_reading(self) -> None:
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
            if self.writable:
                self.deadline = math.inf

    def resume_reading(self) -> None:
        if self._paused and self._may_read() and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()
            self._expect_body()

    def on_exchange_end(self, *, keep: bool) -> None:
        if self.stage is not RESPONDING and not self.can_discard():
            keep = False
        if not keep or self._plane.draining:
            self._exchange = None
            self._close_gently()
        elif self.stage is RESPONDING:
            self._exchange = None
            self._enter(IDLE)
            self._next()
        else:
            self._enter(DISCARDING)
            self.resume_reading()

    # --- called by the plane: see SweptConnection ------------------------------------------

    def on_stopped(self) -> None:
        if self._exchange is not None:
            self._plane.cuts.add(CutLimit.DRAIN_TIMEOUT)
            self._exchange.on_stopped()
        self.abort()

    def on_crowded(self) -> None:
        self._plane.cuts.add(CutLimit.UNFINISHED_HEADS)
        crowded = "too many requests are sent at once of which only a part has come"
        self._broken().on_malformed(ProtocolError(crowded, reason=Reason.OVERLOADED))

    def forget(self) -> None:
        self._reader.forget()

    def on_deadline(self, now: float) -> None:
        """The wait that was allowed is over: see ``Stage.expiry``."""
        plane, exchange = self._plane, self._exchange
        limits, cuts = plane.limits, plane.cuts
        expiry = self.stage.expiry
        waiting = self.transport.get_write_buffer_size()
        if waiting and (expiry is Expiry.CLOSE or not self.writable):
            if not self._is_reading(waiting, now, limits):
                cuts.add(CutLimit.SLOW_READER)
                self.abort()
        elif expiry is Expiry.CLOSE:
            limit = _CLOSED_BY.get(self.stage.number)
            if limit is not None:
                cuts.add(limit)
            self.transport.abort()
        elif expiry is Expiry.REFUSE:
            cuts.add(CutLimit.HEADER_TIMEOUT)
            wait = f"the head was not complete after {limits.header_timeout:g} s"
            self._broken().on_malformed(ProtocolError(wait, status=408))
        elif expiry is Expiry.NOTHING or exchange is None:
            self.deadline = math.inf
        elif exchange.received - self._mark < least_moved(limits):
            cuts.add(CutLimit.BODY_TIMEOUT)
            exchange.on_client_silent(limits.body_timeout)
        else:
            self._expect_body()

    def on_drain(self) -> None:
        if self.stage is DISCARDING:
            self._exchange = None
            self._close_gently()
        elif self.stage is NEW or (self.stage is IDLE and not self._reader.begun):
            self._enter(LINGERING)  # a TLS client that is idle may never reply to the close
            self.transport.close()
        elif self._exchange is not None:
            self._exchange.on_drain()

    # --- reading ---------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        while data:
            stage = self.stage
            if self._exchange is None:
                if stage is LINGERING or stage is CLOSING:
                    return  # it is no request
                if self.writable:
                    data = self._read_head(data)
                    continue
            elif stage is BODY or stage is DISCARDING:
                data = self._read_body(data)
                continue
            # The response before comes first; a client that does not read gets no other.
            self._reader.hold(data)
            if not self._may_read():
                self.pause_reading()
            return

    def _read_head(self, data: bytes) -> bytes:
        """Begin the next request if its head is whole; returns what follows the request."""
        plane, reader = self._plane, self._reader
        request = reader.read(data)
        if request is not None:
            plane.head_ended(self)
            rest, reader.rest = reader.rest, b""  # else it would be kept until the next head
            return self._begin(request, rest)
        if self.stage is not HEAD and reader.begun:
            self._enter(HEAD)
        if len(reader):
            plane.head_grows(self, len(reader))
        else:
            plane.head_ended(self)  # no more than an empty line has come
        return b""

    def _begin(self, request: Request, rest: bytes) -> bytes:
        """Start the exchange of a request; returns what follows its body in ``rest``."""
        exchange = self._exchange = Exchange(self._plane, self, request)
        length = request.fields.length
        pieces: list[bytes] = []
        if not length:
            self._enter(RESPONDING)
            exchange.begin(pieces, done=True)
            return rest
        body: BodyReader = ChunkedBody() if length == CHUNKED else CountedBody(length)
        self._body = body
        if rest:
            pieces, used = body.feed(rest)
            rest = rest[used:]
        self._mark = 0
        self._enter(RESPONDING if body.done else BODY)
        exchange.begin(pieces, done=body.done)
        return rest

    def _read_body(self, data: bytes) -> bytes:
        """Take the part of the body that ``data`` begins with; returns what follows it."""
        exchange, body = self._exchange, self._body
        pieces, used = body.feed(data)
        done = body.done
        if self.stage is DISCARDING:
            if done:
                self._exchange = None
                self._enter(IDLE)
        elif exchange is not None:
            if done:
                self._enter(RESPONDING)
            exchange.on_request_body(pieces, done=done)
        return data[used:] if done else b""

    def _expect_body(self) -> None:
        """Judge after ``body_timeout`` what came of the body until then."""
        exchange = self._exchange
        if exchange is not None and not self._paused and self.stage is not RESPONDING:
            self._mark = exchange.received
            self._wait()

    def _next(self) -> None:
        """Take the next request if it is already here."""
        if not self.writable or self.transport.is_closing():
            return  # ``resume_writing`` comes back here
        if self._receiving:  # what is being received goes on with what is here
            self.resume_reading()
            return
        held = self._reader.take()
        self.resume_reading()
        if held:
            self.data_received(held)
        if self.half_closed and self._exchange is None and self.stage is not CLOSING:
            self._close()

    # --- refusing --------------------------------------------------------------------------

    def _turn_away(self, why: TurnedAway) -> None:
        """Refuse the connection itself, without waiting for a request."""
        exchange = Exchange(self._plane, self, self._reader.unreadable())
        exchange.on_failed(failures.connection_refused(why.value), Phase.ACCEPT)

    def _broken(self, head: bytes = b"") -> Exchange:
        """The last exchange: what the client sends can no longer be told apart.

        Args:
            head: where what came looked like a request that has no exchange yet.
        """
        exchange = self._exchange
        if exchange is None:
            exchange = Exchange(self._plane, self, self._reader.unreadable(head))
            self._exchange = exchange
        self._enter(BROKEN)
        return exchange
