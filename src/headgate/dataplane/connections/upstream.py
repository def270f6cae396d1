"""One connection to MLflow: writes requests, reads responses, one exchange at a time."""

from __future__ import annotations

import asyncio
import errno
import os
from abc import abstractmethod
from typing import Final, cast

from mypy_extensions import mypyc_attr, trait

from headgate.dataplane.sockets import NO_DUP, close_dup, dup, is_dead, keep_alive, read_rest
from headgate.wire.body import UntilClose
from headgate.wire.errors import ProtocolError
from headgate.wire.head import END, refuse_bare_lf
from headgate.wire.response import Response, read_response

WRITE_HIGH_WATER: Final = 64 * 1024
"""Bytes waiting to be sent before the other side is asked to pause."""

_BEGIN: Final = b"HTTP/1."
"""A server that begins in another way may send first and then wait, as SSH and databases do."""

MAX_INTERIM: Final = 32
"""Interim responses (1xx) that one request may get; MLflow's servers send one at most."""

LATE_BYTES: Final = 1024 * 1024
"""What is still taken of a response whose connection has broken: early responses are short."""

JOIN_BYTES: Final = 64 * 1024
"""Parts up to this size are copied together: that is cheaper than a second system call."""


@trait
class ResponseReceiver:
    """What an upstream connection tells of the response to the request that it was given."""

    __slots__ = ()

    @abstractmethod
    def on_response(self, response: Response | None, pieces: list[bytes], *, done: bool) -> None:
        """Take a part of the response: its head when that came now, and pieces of its body.

        Who uses the head after the end of the response calls its ``hold``.
        """

    @abstractmethod
    def on_response_end(self, *, reusable: bool) -> None:
        """The response is complete."""

    @abstractmethod
    def on_upstream_lost(self, error: Exception | None) -> None:
        """The connection ended before the response did."""

    @abstractmethod
    def on_upstream_silent(self) -> None:
        """Nothing moved for longer than is allowed."""

    @abstractmethod
    def on_endpoint_down(self) -> None:
        """The endpoint's health checks have come to fail, while others pass."""

    @abstractmethod
    def on_upstream_invalid(self, error: ProtocolError) -> None:
        """The response is not HTTP/1.1."""

    @abstractmethod
    def on_upstream_full(self) -> None:
        """The request must pause."""

    @abstractmethod
    def on_upstream_drained(self) -> None:
        """The request may go on."""

    @abstractmethod
    def on_defect(self, error: Exception) -> None:
        """The gate itself failed while it handled the response."""


@mypyc_attr(allow_interpreted_subclasses=True)
@trait
class ConnectionOwner:
    """What an upstream connection tells the pool that it belongs to."""

    __slots__ = ()

    @abstractmethod
    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose exchange is complete on both sides."""

    @abstractmethod
    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that is closed."""


class UpstreamConnection(asyncio.Protocol):
    """One TCP connection to an endpoint."""

    __slots__ = (
        "_buffer",
        "_dup",
        "_finished",
        "_full",
        "_head_bytes",
        "_interim",
        "_last",
        "_max_fields",
        "_method",
        "_pool",
        "_response",
        "deadline",
        "idle_since",
        "receiver",
        "reused",
        "transport",
    )

    def __init__(self, pool: ConnectionOwner, head_bytes: int, max_fields: int) -> None:
        self._pool = pool
        self._head_bytes = head_bytes
        self._max_fields = max_fields
        self._buffer = b""
        self._finished = False
        self._full = False
        self._dup = NO_DUP
        self._interim = 0
        self._method = b""
        self._response: Response | None = None
        self._last: Response | None = None
        self.receiver: ResponseReceiver | None = None
        self.deadline = 0.0
        self.idle_since = 0.0
        self.reused = False
        self.transport: asyncio.Transport

    @property
    def usable(self) -> bool:
        """Whether it is open: no close by either side has been seen."""
        return not self.transport.is_closing()

    @property
    def full(self) -> bool:
        """Whether enough waits to be sent."""
        return self._full

    # --- called by the exchange ------------------------------------------------------------

    def forget(self) -> None:
        """Parse the next head, whatever the last one was: for measurements without that."""
        self._last = None

    def begin(self, receiver: ResponseReceiver, method: bytes, deadline: float) -> None:
        """Serve one exchange.

        Args:
            receiver: takes the response.
            method: of the request.
            deadline: when silence becomes an error.
        """
        self.receiver = receiver
        self._method = method
        self.deadline = deadline

    def expect_early_response(self) -> None:
        """Lose no response that comes before the request is whole, whatever becomes of the rest."""
        if self._dup == NO_DUP:
            self._dup = dup(self.transport)

    def _release(self) -> None:
        held, self._dup = self._dup, NO_DUP
        close_dup(held)

    def write(self, pieces: list[bytes]) -> None:
        """Send parts of a request, in one piece where that is cheap."""
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        elif sum(map(len, pieces)) <= JOIN_BYTES:
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)

    def give_back(self) -> None:
        """Return to the pool: the exchange is complete on both sides."""
        self._release()
        self._pool.give_back(self)

    def abort(self) -> None:
        """Close immediately; the receiver hears no more of it."""
        self.receiver = None
        self._release()
        if hasattr(self, "transport"):
            self.transport.abort()
        self._pool.forget(self)

    # --- called by asyncio -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        keep_alive(transport)

    def data_received(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:  # a response to nothing
            self.abort()
            return
        try:
            self._receive(receiver, data)
        except ProtocolError as error:
            self.abort()
            receiver.on_upstream_invalid(error)
        except Exception as defect:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.abort()
            receiver.on_defect(defect)  # a name of its own: to mypyc, ``error`` has one type

    def eof_received(self) -> None:
        """MLflow has ended what it sends, in order: TLS may end without a word (RFC 9112 9.8)."""
        self._finished = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._dup != NO_DUP:
            self._take_late()
        receiver, self.receiver = self.receiver, None
        self._pool.forget(self)
        if receiver is None:
            return
        try:
            self._tell_end(receiver, exc)
        except Exception as defect:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            receiver.on_defect(defect)

    def _tell_end(self, receiver: ResponseReceiver, error: Exception | None) -> None:
        """Tell that the connection has ended, which may be the end of the response."""
        response = self._response
        is_whole = self._finished and error is None
        if is_whole and response is not None and isinstance(response.body, UntilClose):
            receiver.on_response(None, [], done=True)
            receiver.on_response_end(reusable=False)
        else:
            receiver.on_upstream_lost(error)

    def _take_late(self) -> None:
        """Take what came before a write failed, and was not read any more."""
        late = read_rest(self._dup, LATE_BYTES) if self.receiver is not None else b""
        self._release()
        if late:
            self._full = True  # it is of no use to another exchange
            self.data_received(late)

    def pause_writing(self) -> None:
        self._full = True
        if self.receiver is not None:
            self.receiver.on_upstream_full()

    def resume_writing(self) -> None:
        self._full = False
        if self.receiver is not None:
            self.receiver.on_upstream_drained()

    def on_silence(self) -> None:
        """End the exchange: its deadline has passed."""
        receiver = self.receiver
        self.abort()
        if receiver is not None:
            receiver.on_upstream_silent()

    def look(self) -> None:
        """End the exchange if MLflow's machine, or the way there, is gone."""
        receiver = self.receiver
        if receiver is not None and is_dead(self.transport):
            self.abort()
            receiver.on_upstream_lost(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    # --- reading ---------------------------------------------------------------------------

    def _receive(self, receiver: ResponseReceiver, data: bytes) -> None:
        response, fresh = self._response, None
        if response is None:
            if self._buffer:
                data = self._buffer + data
                self._buffer = b""
            response, data = self._read_head(data, self._method)
            if response is None:
                return
            self._response = fresh = response
            self._interim = 0
        body = response.body
        pieces: list[bytes] = []
        if data and not body.done:
            pieces, used = body.feed(data)
            data = data[used:] if used < len(data) else b""
        done = body.done
        if done:
            self._response = None
            self._last = response
        receiver.on_response(fresh, pieces, done=done)
        if done and self.receiver is receiver:
            self.receiver = None
            self.reused = True
            receiver.on_response_end(reusable=not (response.close or data or self._full))

    def _read_head(self, data: bytes, method: bytes) -> tuple[Response | None, bytes]:
        """The final response's head and what follows it; interim responses are read over."""
        last = self._last
        if last is not None and (size := last.repeats(data, method)):
            return last, data[size:]
        while True:
            end = data.find(END)
            if end < 0 or end > self._head_bytes:
                if not data.startswith(_BEGIN[: len(data)]):
                    raise ProtocolError("the response is neither HTTP/1.0 nor HTTP/1.1")
                refuse_bare_lf(data, 0, self._head_bytes)
                if len(data) - len(END) >= self._head_bytes:
                    raise ProtocolError("the response's head is too long")
                self._buffer = data
                return None, b""
            response = read_response(data[: end + 4], method, self._max_fields, self._last)
            data = data[end + 4 :]
            if response.status >= 200:
                return response, data
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise ProtocolError(f"it is more than {MAX_INTERIM} interim responses")
