"""Transfers large bodies over one or many connections, with little CPU time of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.peers.bulk_stream import discard, memory, send
from bench.peers.launch import HOST

WAIT_SECONDS = 300.0  # for one read or write
_PATH = "/api/2.0/mlflow-artifacts/artifacts/bench"


class Bulk:
    """A client of ``bench.peers.bulk_server``, straight or through a proxy at ``port``."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key

    def upload(self, size: int, connections: int, *, together: bool = False) -> float:
        """PUT ``size`` bytes on each connection and return the seconds until all have a response.

        With ``together`` the server takes no byte before all of them are under way.

        Raises:
            ConnectionError: a response is not 200, or a connection breaks.
        """
        count = connections if together else 0
        content = memory()

        def put() -> None:
            with self._ask("PUT", count, f"Content-Length: {size}") as connection:
                send(connection, content, size)
                _read_head(connection)

        try:
            return _concurrently(put, connections)
        finally:
            os.close(content)

    def download(self, size: int, connections: int) -> float:
        """GET ``size`` bytes on each connection and return the seconds until all are here.

        Raises:
            ConnectionError: as ``upload`` does.
        """

        def get() -> None:
            with self._ask("GET", size) as connection:
                discard(connection, size - len(_read_head(connection)))

        return _concurrently(get, connections)

    def _ask(self, method: str, number: int, *fields: str) -> socket.socket:
        connection = socket.create_connection((HOST, self._port), timeout=WAIT_SECONDS)
        connection.settimeout(None)  # sendfile is to block
        lines = [
            f"{method} {_PATH}/{number} HTTP/1.1",
            f"Host: {HOST}:{self._port}",
            f"Authorization: Bearer {self._key}",
            "Connection: close",
            *fields,
        ]
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii"))
        return connection


def _concurrently(task: Callable[[], None], count: int) -> float:
    with ThreadPoolExecutor(count) as pool:
        started = time.monotonic()
        for future in [pool.submit(task) for _ in range(count)]:
            future.result()
        return time.monotonic() - started


def _read_head(connection: socket.socket) -> bytes:
    """Read a response's head; returns what came behind it."""
    held = b""
    while b"\r\n\r\n" not in held:
        data = connection.recv(65536)
        if not data:
            raise ConnectionError(f"closed within the head {held!r}")
        held += data
    head, _, rest = held.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ConnectionError(f"the response is {head!r}")
    return rest
