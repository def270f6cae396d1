"""Blocking reads and writes of exact bytes on one TCP connection, for both sides of the gate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from types import TracebackType
from typing import Self

WAIT_SECONDS = 60.0  # how long one read may take, also where many processes share a core
_READ_SIZE = 65536


class ClosedError(AssertionError):
    """The peer closed the connection in order, before the bytes that were waited for."""


class ByteStream:
    """One TCP connection, as a context manager.

    A peer's reset raises ``ConnectionError``; a socket with a timeout raises ``TimeoutError``.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._unread = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether this side has not closed the connection."""
        return self._socket.fileno() >= 0

    def send(self, data: bytes) -> None:
        """Send every byte of ``data``."""
        self._socket.sendall(data)

    def receive_some(self, most: int) -> bytes:
        """Return the next 1 to ``most`` bytes, or ``b""`` at the peer's end."""
        if not self._unread:
            self._fill()
        return self._take(min(most, len(self._unread)))

    def receive(self, size: int) -> bytes:
        """Return exactly the next ``size`` bytes.

        Raises:
            ClosedError: when the peer closes before.
        """
        while len(self._unread) < size:
            if not self._fill():
                raise ClosedError(f"closed before {size} bytes, after {bytes(self._unread)!r}")
        return self._take(size)

    def receive_until(self, mark: bytes) -> bytes:
        """Return the bytes up to and including ``mark``.

        Raises:
            ClosedError: when the peer closes before.
        """
        while (at := self._unread.find(mark)) < 0:
            if not self._fill():
                raise ClosedError(f"closed before {mark!r}, after {bytes(self._unread)!r}")
        return self._take(at + len(mark))

    def receive_to_end(self) -> bytes:
        """Return every byte until the peer closes in order."""
        while self._fill():
            continue
        return self._take(len(self._unread))

    def wait_at_most(self, seconds: float) -> None:
        """Let what sends or receives from now on wait no longer than so."""
        self._socket.settimeout(seconds)

    def finish_sending(self) -> None:
        """Close the sending direction alone."""
        self._socket.shutdown(socket.SHUT_WR)

    def say_close(self) -> None:
        """Announce the end of a TLS connection, and wait for the peer to do so, too."""
        assert isinstance(self._socket, ssl.SSLSocket)
        self._socket.unwrap()

    def reset(self) -> None:
        """Break the connection off: a linger of zero seconds makes the peer see a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def shut(self) -> None:
        """End both directions, which wakes a thread that reads or writes here."""
        with contextlib.suppress(OSError):  # it may have ended already
            # For TLS too only the connection below, under a thread that may be in the middle of it.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection in order."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fill(self) -> bool:
        data = self._socket.recv(_READ_SIZE)
        self._unread += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data
