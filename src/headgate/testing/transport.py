"""A TCP connection without a socket: the gate's end, and the peer's.

``FakeTransport`` is what a protocol is given; it behaves as uvloop's does where that matters.
It reports the end of a connection later, never from within a call; it calls ``pause_writing``
from within ``write``; a read that was paused is delivered after ``resume_reading``; the end of
the stream is reported again when reading is resumed after it; and what is called on a closed
connection raises.  ``Peer`` is the other end, for a test to speak through.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable


class Turns:
    """Stands for the event loop: calls that are due, in order."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], None]] = deque()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Make a call in the next turn."""
        self._due.append(callback)

    def run(self) -> None:
        """Take turns until nothing is due."""
        while self._due:
            self._due.popleft()()


class End(enum.Enum):
    """How the gate has ended what it sends."""

    OPEN = "open"
    FINISHED = "finished"  # all was sent, then the end of the stream
    CUT = "cut"  # the peer may have lost what was sent


class _Eof(enum.Enum):
    EOF = enum.auto()


class FakeTransport(asyncio.Transport):
    """The gate's end of a connection, already handed to ``protocol``.

    With ``tls`` the connection cannot be half closed, as in asyncio.
    """

    def __init__(
        self,
        turns: Turns,
        protocol: asyncio.Protocol,
        peername: tuple[str, int] | None = None,
        *,
        tls: bool = False,
    ) -> None:
        super().__init__({"peername": peername})
        self._tls = tls
        self._turns = turns
        self._protocol = protocol
        self._inbox: deque[bytes | _Eof] = deque()
        self._unsent = bytearray()
        self._high = 64 * 1024
        self._reading = True
        self._closing = False
        self._lost = False  # the end is due, or reported
        self._closed = False  # it is reported
        self._eof_written = False
        self._protocol_paused = False
        self._window: int | None = None  # bytes the peer still takes; None: all
        self.arrived = bytearray()
        self.end = End.OPEN
        protocol.connection_made(self)

    # --- asyncio's side --------------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that uses the connection."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol use the connection; nothing is called on it for that."""
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water mark; the low one is a quarter of it, as in asyncio."""
        self._must_be_open()
        assert high is not None  # noqa: S101 - the data plane always names one
        assert low is None  # noqa: S101
        self._high = high

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken."""
        return len(self._unsent)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, immediately where the peer takes it."""
        self._must_be_open()
        if self._eof_written:
            raise RuntimeError("write() after write_eof()")
        if not data or self._lost:
            return
        self._unsent += data
        if self._protocol_paused:
            return
        self._flush()
        if len(self._unsent) > self._high:
            self._protocol_paused = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """A TCP connection has two directions that end by themselves."""
        return not self._tls

    def write_eof(self) -> None:
        """End what is sent; the peer may go on sending."""
        self._must_be_open()
        if self._tls:
            raise NotImplementedError  # as asyncio's own TLS transport does (asyncio/sslproto.py)
        self._eof_written = True
        self._flush()

    def is_reading(self) -> bool:
        """Whether what the peer sends is delivered."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Deliver nothing more for now."""
        self._reading = False

    def resume_reading(self) -> None:
        """Deliver again, from the next turn on."""
        if not self._reading and not self._closing:
            self._must_be_open()
            self._reading = True
            self._turns.call_soon(self._deliver)

    def is_closing(self) -> bool:
        """Whether the connection is closed, or will be."""
        return self._closing

    def close(self) -> None:
        """Close once everything is sent."""
        if not self._closing:
            self._closing = True
            self._flush()

    def abort(self) -> None:
        """Close immediately; what is not sent is dropped."""
        self._break(None)

    @property
    def closed(self) -> bool:
        """Whether both directions have ended."""
        return self._lost

    # --- the peer's side -------------------------------------------------------------------

    def deliver(self, *reads: bytes) -> None:
        """Let the peer send; each of ``reads`` arrives by itself."""
        self._inbox.extend(reads)
        self._deliver()

    def deliver_eof(self) -> None:
        """Let the peer end what it sends."""
        self._inbox.append(_Eof.EOF)
        self._deliver()

    def reset(self, error: OSError | None) -> None:
        """Let the connection break; over TLS that may be no error."""
        self._inbox.clear()
        self._break(error)

    def take(self, size: int | None) -> None:
        """Let the peer take ``size`` more bytes; None: whatever comes."""
        self._window = size
        if not self._lost:
            self._flush()
            self._resume_protocol()

    # --- between ---------------------------------------------------------------------------

    def _must_be_open(self) -> None:
        if self._closed:
            raise RuntimeError("the handle is closed")

    def _deliver(self) -> None:
        while self._inbox and self.is_reading():
            read = self._inbox[0]
            if isinstance(read, bytes):
                self._inbox.popleft()
                self._protocol.data_received(read)
            else:  # it stays: a protocol that reads again meets it again
                self._reading = False
                keep_open = self._protocol.eof_received()
                if keep_open and self._tls:
                    raise RuntimeError("true has no effect when using TLS")
                if not keep_open:
                    self.close()

    def _flush(self) -> None:
        size = len(self._unsent) if self._window is None else min(self._window, len(self._unsent))
        self.arrived += self._unsent[:size]
        del self._unsent[:size]
        if self._window is not None:
            self._window -= size
        if self._unsent or self.end is End.CUT:
            return
        if self._closing:
            unread = any(isinstance(read, bytes) for read in self._inbox)
            # The kernel answers bytes that nobody read with a reset.
            self.end = End.CUT if unread else End.FINISHED
            self._schedule_lost(None)
        elif self._eof_written:
            self.end = End.FINISHED

    def _resume_protocol(self) -> None:
        if self._protocol_paused and len(self._unsent) <= self._high // 4:
            self._protocol_paused = False
            self._protocol.resume_writing()

    def _break(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._closing = True
        self._unsent.clear()
        if self.end is not End.FINISHED:
            self.end = End.CUT
        self._schedule_lost(error)

    def _schedule_lost(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._turns.call_soon(lambda: self._report_lost(error))

    def _report_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)
        self._closed = True


class Peer:
    """The far end of a connection."""

    def __init__(self, turns: Turns, transport: FakeTransport) -> None:
        self._turns = turns
        self.transport = transport

    def sends(self, *reads: bytes) -> None:
        """Send; each of ``reads`` arrives by itself, and all of them before the next turn."""
        self.transport.deliver(*reads)
        self._turns.run()

    def finishes(self) -> None:
        """End what this side sends, and go on reading."""
        self.transport.deliver_eof()
        self._turns.run()

    def resets(self) -> None:
        """Break the connection."""
        self.transport.reset(ConnectionResetError(104, "Connection reset by peer"))
        self._turns.run()

    def times_out(self) -> None:
        """Acknowledge nothing any more, until the gate's kernel gives the connection up."""
        self.transport.reset(TimeoutError(110, "Connection timed out"))
        self._turns.run()

    def vanishes(self) -> None:
        """End a TLS connection without saying so."""
        self.transport.reset(None)
        self._turns.run()

    def received(self) -> bytes:
        """What has arrived since the last call."""
        data = bytes(self.transport.arrived)
        self.transport.arrived.clear()
        return data

    def stops_reading(self) -> None:
        """Take nothing from now on."""
        self.transport.take(0)

    def reads(self, size: int | None = None) -> None:
        """Take ``size`` more bytes; without a size, everything from now on."""
        self.transport.take(size)
        self._turns.run()

    def end(self) -> End:
        """How the gate has ended what it sends to this side."""
        return self.transport.end

    def closed(self) -> bool:
        """Whether the gate has closed the connection in both directions."""
        return self.transport.closed

    def is_read(self) -> bool:
        """Whether the gate takes what this side sends."""
        return self.transport.is_reading()
