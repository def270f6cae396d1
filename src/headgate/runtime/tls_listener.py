"""Accepts connections and does their TLS handshakes, each counted from its first moment.

asyncio's own servers report a connection only once its handshake is done, so that any number of
them could be held open before anybody counts.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import ssl
from collections.abc import Callable
from typing import Final

from headgate.dataplane.client import ClientConnection
from headgate.dataplane.plane import DataPlane
from headgate.events import AcceptPaused, CutLimit, HandshakeFailure, TurnedAway
from headgate.net.addresses import plain_peer
from headgate.runtime.handshakes import HandshakeFailures, cause_of, words_of
from headgate.runtime.proxy_headers import peek, read_proxy_header
from headgate.tasks import FairTimeout, Tasks

ACCEPTS: Final = 64
"""Connections that are taken in one turn of the loop."""
PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted when no descriptor is left."""
SHUTDOWN_SECONDS: Final = 86400.0
"""Longer than the data plane lets any connection take to close; asyncio's own limit does not ask
whether the client still reads."""
_HANDSHAKE: Final = b"\x16"
"""What TLS begins with: the type of its first record (RFC 8446 section 5.1)."""
_PLAIN: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Cache-Control: no-store\r\nX-Headgate-Reason: request_malformed\r\n"
    b"Connection: close\r\n\r\n%b"
)
_SPEAKS_TLS: Final = (
    "Headgate refused the request: this port serves HTTPS, and the request is plain HTTP. Use "
    "https:// in the URL, in MLFLOW_TRACKING_URI and in browsers."
)
READ_BYTES: Final = 64 * 1024
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class TlsListener:
    """The listener of a gate that serves HTTPS.

    Args:
        listener: the socket, bound and not blocking.
        backlog: connections that the kernel may hold for it.
        plane: takes the connections whose handshake is done.
        context: the TLS context.
        count_failure: called for each handshake that fails.
    """

    def __init__(
        self,
        listener: socket.socket,
        backlog: int,
        plane: DataPlane,
        context: ssl.SSLContext,
        count_failure: Callable[[HandshakeFailure], None],
    ) -> None:
        self._listener = listener
        self._backlog = backlog
        self._plane = plane
        self._context = context
        self._handshakes = Tasks(plane.emit)
        self._failures = HandshakeFailures(plane.emit, count_failure)
        self._paused: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """Begin to accept."""
        self._listener.listen(self._backlog)
        self._resume()

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    @property
    def shaking(self) -> int:
        """How many handshakes are under way."""
        return len(self._handshakes)

    def sweep(self) -> None:
        """Emit what has failed; called about twice a second."""
        self._failures.report()

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._failures.report(last=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                return
            connection.setblocking(False)
            self._admit(connection, plain_peer(peer[0]))

    def _admit(self, connection: socket.socket, address: str) -> None:
        """Begin what comes before requests, if the connection is taken at all."""
        plane = self._plane
        if plane.proxy_protocol.networks and not plane.proxy_protocol.takes(address):
            connection.close()
            return
        entered = plane.admission.enter(address)
        if isinstance(entered, TurnedAway):
            connection.close()  # a response would take the handshake that is not to be done
        elif plane.proxy_protocol.networks:
            reading = self._read_header(connection, entered, address)
            self._handshakes.start(reading, "PROXY header")
        else:
            shaking = self._shake_hands(connection, entered, address)
            self._handshakes.start(shaking, "TLS handshake")

    def _pause(self, error: OSError) -> None:
        self._plane.emit(AcceptPaused(PAUSE_SECONDS, error.strerror or type(error).__name__))
        self._loop.remove_reader(self._listener.fileno())
        self._paused = self._loop.call_later(PAUSE_SECONDS, self._resume)

    async def _first_byte(self, connection: socket.socket) -> bytes:
        """What the client begins with, which stays to be read; empty if it leaves instead.

        Raises:
            TimeoutError: it sends nothing.
        """
        async with FairTimeout(self._plane.limits.header_timeout):
            return await peek(connection, 1)

    async def _read_header(self, connection: socket.socket, stranger: str, proxy: str) -> None:
        """Read the PROXY header, and go on with the client that it names."""
        admission = self._plane.admission
        client = ""
        entered: str | TurnedAway | None = None
        try:
            client = await read_proxy_header(connection, self._plane, proxy)
        finally:
            admission.leave(stranger)  # until now it counted for the proxy
            if client:
                entered = admission.enter(client)
            if not isinstance(entered, str):
                connection.close()
        if isinstance(entered, str):
            await self._shake_hands(connection, entered, client)

    async def _shake_hands(self, connection: socket.socket, stranger: str, peer: str) -> None:
        client = ClientConnection(self._plane, "https", stranger, peer)
        first = b""
        try:
            first = await self._first_byte(connection)
            if first != _HANDSHAKE:
                if first:
                    what = "the client uses plain HTTP, or another protocol"
                    self._failures.add(HandshakeFailure.NOT_TLS, what, peer)
                _refuse_plain(connection, first)
                return
            await self._loop.connect_accepted_socket(
                lambda: client,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._plane.limits.header_timeout,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError as error:  # so are ssl.SSLError and TimeoutError
            if first:  # a balancer that only looks whether the port is open has not failed
                self._failures.add(cause_of(error), words_of(error), peer)
            elif isinstance(error, TimeoutError):
                self._plane.cuts.add(CutLimit.HEADER_TIMEOUT)
        finally:
            if client.handshaking:
                self._plane.admission.leave(stranger)
                connection.close()


def _refuse_plain(connection: socket.socket, first: bytes) -> None:
    """Respond to a client that speaks HTTP without TLS; close on anything else.

    Raises:
        OSError: the client has left.
    """
    if first.isalpha():
        what = {"error_code": "BAD_REQUEST", "message": _SPEAKS_TLS}
        body = json.dumps(what).encode()
        connection.recv(READ_BYTES)  # what is unread would reset the response away
        connection.send(_PLAIN % (len(body), body))
        connection.shutdown(socket.SHUT_WR)
