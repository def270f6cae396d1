"""Bodies of gigabytes: sent from a sparse file, and counted instead of kept."""

from __future__ import annotations

import socket
import tempfile
import threading
from types import TracebackType
from typing import Self

from tests.support.byte_stream import WAIT_SECONDS

_READ_SIZE = 1024 * 1024


def send_zeros(connection: socket.socket, size: int) -> None:
    """Send ``size`` zero bytes without holding them."""
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        connection.sendfile(file)


def count_bytes(connection: socket.socket, most: int) -> int:
    """Read up to ``most`` bytes, until the peer's end, and return how many came."""
    buffer = memoryview(bytearray(_READ_SIZE))
    count = 0
    while count < most and (size := connection.recv_into(buffer[: most - count])):
        count += size
    return count


def read_head(connection: socket.socket) -> bytes:
    """Read a head to its empty line and nothing behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError(f"closed within the head {head!r}")
        head += byte
    return head


class BulkUpstream:
    """Serves one request: counts the body it takes and answers with ``size`` zero bytes.

    A context manager; ``received`` and ``head`` are there once ``finished`` returns.
    """

    def __init__(self, size: int = 0) -> None:
        self.head = b""
        self.received = 0
        self._size = size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_SECONDS)
        host, port = self._listener.getsockname()
        self.url = f"http://{host}:{port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def finished(self, seconds: float) -> None:
        """Wait until the exchange is over."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"only {self.received} bytes have come"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(WAIT_SECONDS)
            self.head = read_head(connection)
            self.received = count_bytes(connection, self._length())
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._size)
            send_zeros(connection, self._size)

    def _length(self) -> int:
        for line in self.head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return int(value)
        return 0
