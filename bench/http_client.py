"""A client for one small request at a time, with as little time of its own as Python allows."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from bench.peers.launch import HOST

WAIT_SECONDS = 30.0
_TARGET = "/api/2.0/mlflow/experiments/get?experiment_id=1"


class KeptConnection:
    """A connection that stays open between requests to the server at ``port``.

    Requests are those of MLflow's client; answers must be 200 and have a Content-Length.
    """

    def __init__(self, port: int, key: str) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=WAIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = (
            f"GET {_TARGET} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
            "User-Agent: mlflow-python-client/3.17.2\r\nX-MLflow-Client-Version: 3.17.2\r\n"
            "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
            f"Authorization: Bearer {key}\r\n\r\n"
        ).encode("ascii")

    def ask(self) -> None:
        """Send the request and read its whole response.

        Raises:
            ConnectionError: the response is not 200, has no length, or breaks off.
        """
        self.say(self._request)

    def say(self, request: bytes) -> None:
        """Send another request and read its whole response.

        Raises:
            ConnectionError: as above.
        """
        self._socket.sendall(request)
        held = b""
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed within the response {held!r}")
            held += data
            head, end, body = held.partition(b"\r\n\r\n")
            if end and len(body) >= _length(head):
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()


def _length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"the response is {head!r}")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError(f"no Content-Length in {head!r}")
