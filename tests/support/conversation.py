"""Says something to a server over one connection and takes down everything that comes back."""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.support.raw import RawResponse, ResponseError, head_of

_READ_SIZE = 65536


class End(enum.Enum):
    """How the server ended the connection, if it did."""

    CLOSED = "closed"
    RESET = "reset"
    OPEN = "still open"


@dataclass(frozen=True)
class Conversation:
    """Every byte that came back, and how the connection ended."""

    received: bytes
    end: End

    @property
    def responses(self) -> Sequence[RawResponse]:
        """The final responses, in order.

        Raises:
            AnswerError: when what came back is not HTTP/1.1.
        """
        return list(_responses(self.received))

    @property
    def statuses(self) -> list[int]:
        """The status of each response."""
        return [response.status for response in self.responses]


def converse(
    connection: socket.socket, pieces: Iterable[bytes], *, leaves: bool, seconds: float
) -> Conversation:
    """Send ``pieces``, each in a packet of its own, and read until the server ends it.

    ``leaves``: end the own direction behind the last piece.  A server that says nothing for
    ``seconds`` is waited for no longer.
    """
    with connection:
        connection.settimeout(seconds)
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender = threading.Thread(target=_send, args=(connection, pieces, leaves))
        sender.start()
        received, end = _receive(connection)
        if end is not End.CLOSED:
            with contextlib.suppress(OSError):  # it is gone already
                connection.shutdown(socket.SHUT_RDWR)  # wakes a sender that waits
        sender.join()
    return Conversation(received, end)


def _send(connection: socket.socket, pieces: Iterable[bytes], leaves: bool) -> None:
    with contextlib.suppress(OSError):  # the server may refuse and close before the last piece
        for piece in pieces:
            connection.sendall(piece)
        if leaves:
            connection.shutdown(socket.SHUT_WR)


def _receive(connection: socket.socket) -> tuple[bytes, End]:
    received = bytearray()
    try:
        while data := connection.recv(_READ_SIZE):
            received += data
    except TimeoutError:
        return bytes(received), End.OPEN
    except ConnectionError:
        return bytes(received), End.RESET
    return bytes(received), End.CLOSED


def _responses(received: bytes) -> Iterator[RawResponse]:
    while received:
        head, mark, received = received.partition(b"\r\n\r\n")
        response = head_of(head + mark)
        if response.status < 200:
            continue
        body, received = _body(response, received)
        yield replace(response, body=body)


def _body(response: RawResponse, rest: bytes) -> tuple[bytes, bytes]:
    """The body and what follows it; no body of these tests begins as a response does."""
    if not rest or rest.startswith(b"HTTP/1.") or response.status in (204, 304):
        return b"", rest
    length = response.get("content-length")
    if response.get("transfer-encoding") is not None:
        return _chunked(rest)
    if length is None:
        return rest, b""
    if len(rest) < int(length):
        raise ResponseError(f"cut short: {response.head + rest!r}")
    return rest[: int(length)], rest[int(length) :]


def _chunked(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            return body, rest.removeprefix(b"\r\n")
        body, rest = body + rest[:size], rest[size + 2 :]
