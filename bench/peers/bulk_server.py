"""Stands for MLflow where bytes count: takes and gives large bodies at next to no cost.

``python -m bench.peers.bulk_server PORT``.  The last part of a request's path says what happens:

- ``GET …/SIZE`` responds with SIZE bytes, sent from memory without a copy (sendfile).
- ``PUT …/COUNT`` responds when its body has been read, and thrown away within the kernel
  (MSG_TRUNC).  A COUNT above 0 makes it wait until COUNT uploads are under way and then a moment
  longer, so that every buffer on the way is full before the first byte is taken.

Any other path, such as that of a health check, is taken for one with 0.
"""

from __future__ import annotations

import socket
import sys
import threading

from bench.peers.bulk_stream import discard, memory, send
from bench.peers.launch import HOST

HOLD_SECONDS = 2.0


class _Server:
    def __init__(self, port: int) -> None:
        self._listener = socket.create_server((HOST, port), backlog=256)
        self._content = memory()
        self._gathered: dict[int, threading.Barrier] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        held = b""
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                while b"\r\n\r\n" not in held:
                    if not (data := connection.recv(65536)):
                        return
                    held += data
                head, _, held = held.partition(b"\r\n\r\n")
                held = self._response(connection, head, held)

    def _response(self, connection: socket.socket, head: bytes, held: bytes) -> bytes:
        """Serve one request; returns what of ``held`` is not its body."""
        line, *fields = head.split(b"\r\n")
        method, target, _ = line.split(b" ")
        last = target.rpartition(b"/")[2]
        number = int(last) if last.isdigit() else 0
        if method == b"GET":
            connection.sendall(_head(number))
            send(connection, self._content, number)
            return held
        length = _length(fields)
        if number:
            self._wait_for(number)
        discard(connection, length - len(held[:length]))
        connection.sendall(_head(2) + b"{}")
        return held[length:]

    def _wait_for(self, count: int) -> None:
        with self._lock:
            barrier = self._gathered.setdefault(count, threading.Barrier(count))
        barrier.wait()
        threading.Event().wait(HOLD_SECONDS)


def _head(length: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def _length(fields: list[bytes]) -> int:
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("no Content-Length")


if __name__ == "__main__":
    _Server(int(sys.argv[1])).run()
