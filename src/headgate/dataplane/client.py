"""One connection from a client: reads requests in order, writes their responses.

While a request is under way, what the client sends after it waits; while nothing can take a
body, the socket is not read.  So memory per connection is bounded whatever the client does.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, cast

from headgate.config import Limits
from headgate.dataplane import failures, local_responses
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import Caller
from headgate.dataplane.exchange import Exchange
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.sockets import Left, left, reset_at_close, unacknowledged
from headgate.events import TurnedAway
from headgate.net.addresses import plain_peer
from headgate.reasons import Reason
from headgate.wire.body import BodyReader, ChunkedBody, CountedBody
from headgate.wire.errors import ProtocolError
from headgate.wire.head import END, empty_lines, request_end
from headgate.wire.origin import NOWHERE, origin_of
from headgate.wire.request import Request, read_request, unreadable
from headgate.wire.request_fields import CHUNKED

WRITE_HIGH_WATER: Final = 128 * 1024
"""Answer bytes waiting for the client before MLflow's side is asked to pause."""
LOGGED_BYTES: Final = 4096
"""What is looked at of a head that is wrong, for the log."""
PIPELINE_BYTES: Final = 64 * 1024
"""Bytes of following requests taken in while one is under way."""
DISCARD_BYTES: Final = 64 * 1024
"""A refused request's body is read over up to this size, so that the connection can be kept."""
LINGER_SECONDS: Final = 5.0
"""How long a closing connection still reads: an unread byte would reset the response away."""

_NO_BODY: Final = CountedBody(0)


class ClientConnection(asyncio.Protocol):
    """One TCP connection from a client.

    ``stranger``: the neighbourhood that it counts for until it has shown a good key, then empty.
    ``handshaking``: it is counted already, and its TLS handshake is not done.

    Args:
        plane: what all connections share.
        scheme: ``http`` or ``https``.
        admitted: what ``Admission.enter`` said before the TLS handshake; ``None`` without one.
    """

    __slots__ = (
        "_body",
        "_exchange",
        "_held",
        "_last",
        "_lingering",
        "_mark",
        "_paused",
        "_plane",
        "_receiving",
        "_scheme",
        "_searched",
        "_unsent",
        "caller",
        "deadline",
        "half_closed",
        "handshaking",
        "stranger",
        "transport",
        "writable",
    )

    def __init__(self, plane: DataPlane, scheme: str = "http", admitted: str | None = None) -> None:
        self._plane = plane
        self.handshaking = admitted is not None
        self.stranger = admitted or ""
        self._scheme = scheme
        self._exchange: Exchange | None = None
        self._body: BodyReader = _NO_BODY
        self._last: Request | None = None
        self._held = bytearray()
        self._searched = 0
        self._paused = False
        self._mark = 0
        self.writable = True
        self._unsent = math.inf
        self._receiving = False
        self._lingering = False
        self.half_closed = False
        self.deadline = math.inf
        self.caller: Caller
        self.transport: asyncio.Transport

    # --- called by asyncio -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.caller = Caller(plain_peer(peer[0]) if peer else "unknown", self._scheme)
        plane = self._plane
        if self.handshaking:
            self.handshaking = False
        else:
            entered = plane.admission.enter(self.caller.address)
            if isinstance(entered, TurnedAway):
                self._turn_away()
                return
            self.stranger = entered
        plane.connections[self] = None
        self.deadline = plane.clock() + plane.limits.header_timeout

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._receiving = True
        try:
            self._receive(data)
        except ProtocolError as error:
            self._refuse_bytes(error)
        except Exception as defect:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self._on_defect(defect)  # a name of its own: to mypyc, ``error`` has one type
        finally:
            self._receiving = False

    def eof_received(self) -> bool:
        """The client sends no more; a response under way is still delivered (half-close).

        TLS connections cannot be half closed in asyncio: there the client has left.
        """
        self.half_closed = True
        exchange = self._exchange
        if exchange is None:
            return bool(self._held) and not self.writable and self.transport.can_write_eof()
        if self._body.done and self.transport.can_write_eof():
            return True
        exchange.on_client_lost()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._plane.leave(self)
        exchange, self._exchange = self._exchange, None
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
        if self._lingering:
            self._linger()
        elif self._exchange is None:
            self._next()
        else:
            self._exchange.on_client_drained()
            if not self._body.done:
                self._expect_body()

    # --- called by the exchange ------------------------------------------------------------

    def vouch(self) -> None:
        """The client has shown a good key."""
        if self.stranger:
            self._plane.admission.vouch(self.stranger)
            self.stranger = ""

    @property
    def body_done(self) -> bool:
        """Whether the request under way has arrived whole."""
        return self._body.done

    @property
    def balancer(self) -> Balancer | None:
        """The upstream of the request under way, once that has been admitted."""
        return self._exchange.balancer if self._exchange is not None else None

    def can_discard(self) -> bool:
        """Whether the rest of the request is short enough to be read over."""
        exchange, body = self._exchange, self._body
        return (
            exchange is not None
            and not exchange.request.fields.expects_continue
            and isinstance(body, CountedBody)
            and body.remaining <= DISCARD_BYTES
        )

    def write(self, data: bytes) -> None:
        """Send part of a response."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_reading(self) -> None:
        """Stop taking bytes from the client."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
            if self.writable:
                self.deadline = math.inf

    def resume_reading(self) -> None:
        """Take bytes from the client again, unless enough of them wait already."""
        if self._paused and len(self._held) <= PIPELINE_BYTES and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()
            if not self._body.done:
                self._expect_body()

    def on_exchange_end(self, *, keep: bool) -> None:
        """The response is written; ``keep`` says whether another request may follow."""
        if not self._body.done and not self.can_discard():
            keep = False
        if not keep or self._plane.draining:
            self._exchange = None
            self._close_gently()
            return
        if not self._body.done:
            self.resume_reading()  # the rest of a refused body is read over first
            return
        self._exchange = None
        self._next()

    def abort(self) -> None:
        """Cut the connection, so that the client cannot take a broken response for a whole one.

        To HTTP/1.0 a connection that ends in order may be the end of a response.
        """
        reset_at_close(self.transport)
        self.transport.abort()

    def on_stopped(self) -> None:
        """The worker stops, whether or not the request under way has been answered."""
        if self._exchange is not None:
            self._exchange.on_stopped()
        self.abort()

    # --- called by the plane ---------------------------------------------------------------

    def on_crowded(self) -> None:
        """Give up the head that is not complete: all of them together are too much."""
        crowded = "too many requests are sent at once of which only a part has come"
        self._refuse_bytes(ProtocolError(crowded, reason=Reason.OVERLOADED))

    def forget(self) -> None:
        """Understand the next head anew, since what is made of heads has changed."""
        self._last = None

    @property
    def unread(self) -> bool:
        """Whether nothing is read from the client, so that asyncio does not tell when it leaves."""
        return self._paused or self.half_closed

    def look(self) -> None:
        """Find out whether the client has left."""
        if self.transport.is_closing():
            return
        ended = left(self.transport)
        if ended is Left.ALL:
            self.transport.abort()
        elif ended is Left.NOTHING or self.half_closed:
            return
        elif len(self._held) <= PIPELINE_BYTES:
            # The end stands behind the rest, which is read for it: there will never be more.
            self._paused = False
            self.transport.resume_reading()

    def on_deadline(self, now: float) -> None:
        """The wait that was allowed is over."""
        limits = self._plane.limits
        exchange = self._exchange
        waiting = self.transport.get_write_buffer_size()
        resting = exchange is None and not self._held
        if waiting and (resting or not self.writable):  # the client has yet to read a response
            unsent = float(waiting + unacknowledged(self.transport))
            if self._unsent - unsent >= _least(limits):  # slow, but it moves
                self._unsent = unsent
                self.deadline = now + limits.body_timeout
            else:
                self.abort()
        elif self._lingering or (exchange.ended if exchange else not self._held):
            self.transport.abort()
        elif exchange is None:
            wait = f"the head was not complete after {limits.header_timeout:g} s"
            self._refuse_bytes(ProtocolError(wait, status=408))
        else:
            self._judge_body(exchange, limits)

    def _judge_body(self, exchange: Exchange, limits: Limits) -> None:
        """Give up on a client whose body hardly moved while it was waited for."""
        if exchange.received - self._mark < _least(limits):
            exchange.on_client_silent(limits.body_timeout)
        else:
            self._expect_body()

    def on_drain(self) -> None:
        """Close, unless a request is under way."""
        exchange = self._exchange
        if exchange is not None and exchange.ended:  # only the rest of its body is missing
            self._exchange = None
            self._close_gently()
        elif exchange is None and not self._held and not self._lingering:
            self._close()
            self._linger()  # a TLS client that rests may never answer the close

    # --- reading ---------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        while data and not self._lingering:
            exchange = self._exchange
            if exchange is not None and not self._body.done:
                data = self._read_body(exchange, data)
            elif exchange is None and self.writable:
                data = self._read_head(data)
            else:  # the response before comes first; a client that does not read gets no other
                self._held += data
                if len(self._held) > PIPELINE_BYTES:
                    self.pause_reading()
                return

    def _read_head(self, data: bytes) -> bytes:
        """Begin the next request if its head is whole; returns what follows the head."""
        held = self._held
        if held:
            held += data
            data = b""
        block = held or data
        if block[0] in b"\r\n":
            skipped = empty_lines(block)
            data = data[skipped:]
            del held[:skipped]
            block = held or data
            if not block:
                return b""
        try:
            end = request_end(block, self._searched, self._plane.head_bytes)
        except ProtocolError as error:
            error.head = bytes(block[:LOGGED_BYTES])
            raise
        if end < 0:
            if not held:
                held += data
                if data != b"\r":  # half an empty line begins no request
                    self.deadline = self._plane.clock() + self._plane.limits.header_timeout
            self._searched = max(0, len(held) - 3)
            self._plane.head_grows(self, len(held))
            return b""
        end += len(END)
        if held:
            data = bytes(held)
            self._held = bytearray()
            self._plane.head_ended(self)
        self._searched = 0
        return self._begin(data[:end], data[end:])

    def _begin(self, block: bytes, rest: bytes) -> bytes:
        """Start the exchange of the request whose head is ``block``; returns what follows it."""
        plane = self._plane
        try:
            request = read_request(block, plane.max_fields, self._last)
        except ProtocolError as error:
            error.head = block[:LOGGED_BYTES]
            raise
        fields = request.fields
        if request is not self._last:
            if fields.origin is NOWHERE:  # nothing that has been said before says it
                fields.origin = origin_of(
                    fields.values, self.caller.address, self._scheme, plane.trusted_proxies
                )
            self._last = request if fields.section else None  # a long one is not kept
        length = fields.length
        pieces: list[bytes] = []
        if length == 0:
            body: BodyReader = _NO_BODY
            self.deadline = math.inf
        else:
            body = ChunkedBody() if length == CHUNKED else CountedBody(length)
        self._body = body
        exchange = self._exchange = Exchange(plane, self, request)
        if length:
            self._expect_body()
        if length and rest:
            pieces, used = body.feed(rest)
            rest = rest[used:]
        exchange.begin(pieces, done=body.done)
        if length and body.done:
            self._on_body_end()
        return rest

    def _read_body(self, exchange: Exchange, data: bytes) -> bytes:
        body = self._body
        pieces, used = body.feed(data)
        exchange.on_request_body(pieces, done=body.done)
        if body.done:
            self._on_body_end()
            return data[used:]
        return b""

    def _on_body_end(self) -> None:
        if self._exchange is None or self._exchange.ended:  # refused, and now read over
            self._exchange = None
            self._rest()
        elif self.writable:
            self.deadline = math.inf

    def _expect_body(self) -> None:
        """Judge after ``body_timeout`` what came of the body until then."""
        if not self._paused and self.writable:
            self._mark = self._exchange.received if self._exchange is not None else 0
            self.deadline = self._plane.clock() + self._plane.limits.body_timeout

    def _next(self) -> None:
        """Wait for the next request, or take the one that is already here."""
        self._rest()
        if not self.writable or self.transport.is_closing():
            return  # ``resume_writing`` comes back here
        if self._receiving:  # whoever does goes on with what is here
            self.resume_reading()
            return
        held, self._held = bytes(self._held), bytearray()
        self.resume_reading()
        if held:
            self._searched = 0
            self.data_received(held)
        if self.half_closed and self._exchange is None:
            self._close()

    def _rest(self) -> None:
        self._unsent = math.inf
        if self.writable and not self._lingering:
            self.deadline = self._plane.clock() + self._plane.keepalive_timeout

    # --- closing ---------------------------------------------------------------------------

    def _close_gently(self) -> None:
        """Close so that the last response arrives even when the client is still sending."""
        sending = not self._body.done or bool(self._held)
        self._lingering = True  # what still comes is no request
        self._held = bytearray()
        self._plane.head_ended(self)
        if sending:
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self.resume_reading()
            self._linger()
        else:
            self._close()

    def _linger(self) -> None:
        if self.writable:
            self.deadline = self._plane.clock() + LINGER_SECONDS

    def _turn_away(self) -> None:
        """Refuse the connection itself; nobody waits until the request has come."""
        refusal = failures.connection_refused()
        self.write(local_responses.refusal(refusal, b"", b"Connection: close\r\n", head_only=False))
        self._lingering = True
        self.transport.close()

    def _close(self) -> None:
        """Close as soon as the client has taken what is written."""
        self._unsent = math.inf
        if self.writable:
            self.deadline = self._plane.clock() + self._plane.limits.body_timeout
        self.transport.close()

    def _refuse_bytes(self, error: ProtocolError) -> None:
        """Answer bytes that are no request, or a body that breaks its framing."""
        exchange = self._exchange
        if exchange is None:
            exchange = self._unreadable(error.head)
        self._body = ChunkedBody()  # nobody knows where it ends: the connection must close
        exchange.on_malformed(error)

    def _unreadable(self, head: bytes = b"") -> Exchange:
        """An exchange for bytes that were no request; ``head``: as far as they looked like one."""
        request = unreadable(head)
        caller = self.caller
        request.fields.origin = NOWHERE._replace(address=caller.address, scheme=caller.scheme)
        self._exchange = Exchange(self._plane, self, request)
        return self._exchange

    def _on_defect(self, error: Exception) -> None:
        exchange = self._exchange
        if exchange is None:
            exchange = self._unreadable()
        self._body = ChunkedBody()  # what was read with it is lost: the connection must close
        exchange.on_defect(error)


def _least(limits: Limits) -> float:
    """Bytes of a body that must have moved after ``body_timeout``."""
    return max(1.0, limits.min_body_rate * limits.body_timeout)
