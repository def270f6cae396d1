"""Clients of each kind that notices a gate being replaced, and a scripted MLflow behind it.

Newcomers open a connection for each request.  Regulars keep theirs, use it again after pauses of
different lengths, and open another only when a response says ``Connection: close``.  Uploads and
downloads take a second or more each.  Nobody repeats anything: what does not succeed is a failure.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.support.gate import bearer
from tests.support.patience import patience
from tests.support.recording_upstream import Exchange

SECONDS = 60.0
SEARCH = "/api/2.0/mlflow/experiments/search"
STORE = "/api/2.0/mlflow-artifacts/artifacts/"
PIECE = bytes(range(256)) * 256
PIECES = 16
PACE = 0.1
"""Seconds between two pieces of an upload or download."""


def slow_mlflow(exchange: Exchange) -> None:
    """Respond to searches immediately, take uploads, and send downloads piece by piece."""
    line = exchange.request.request_line
    body = exchange.read_body()
    size = len(body)
    exchange.request.body.clear()  # the tests need no copy
    if line.startswith(b"GET " + STORE.encode()):
        exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n\r\n" % (PIECES * len(PIECE))
        )
        pause = threading.Event()
        for _ in range(PIECES):
            exchange.send(PIECE)
            pause.wait(PACE)
        return
    content = b'{"size": %d}' % size
    exchange.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(content), content)
    )


@dataclass
class Traffic:
    """What the clients of one gate have met with so far."""

    port: int
    key: str
    context: ssl.SSLContext | None = None
    served: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Send until the block ends."""
        kinds = [self._newcomer] * 4 + [self._upload] * 2 + [self._download] * 2
        work = [*kinds, *(self._regular(pause) for pause in (0.0, 0.05, 0.3, 1.0, 3.0))]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stopping.set()
            for each in threads:
                each.join(SECONDS)

    def wait_for(self, **more: int) -> None:
        """Wait until so many further requests of each kind were served.

        Raises:
            AssertionError: they take longer than a minute.
        """
        goals = {kind: self.served[kind] + count for kind, count in more.items()}
        until = time.monotonic() + patience(SECONDS)
        while any(self.served[kind] < goal for kind, goal in goals.items()):
            assert time.monotonic() < until, f"{self.served} of {goals}: {self.failures[:3]}"
            self._stopping.wait(0.02)

    # --- clients ---------------------------------------------------------------------------

    def _newcomer(self) -> None:
        while not self._stopping.is_set():
            with contextlib.closing(self._connection()) as connection:
                self._count("newcomer", lambda: self._search(connection))
            self._stopping.wait(0.002)  # the servers need some of the processor

    def _regular(self, pause: float) -> Callable[[], None]:
        def run() -> None:
            with contextlib.closing(self._connection()) as connection:
                while not self._stopping.wait(pause):
                    self._count("regular", lambda: self._search(connection))

        return run

    def _upload(self) -> None:
        for number in itertools.count():
            if self._stopping.is_set():
                return
            with contextlib.closing(self._connection()) as connection:
                self._count("upload", partial(self._send_pieces, connection, number))

    def _download(self) -> None:
        while not self._stopping.is_set():
            with contextlib.closing(self._connection()) as connection:
                self._count("download", lambda: self._read_pieces(connection))

    def _search(self, connection: http.client.HTTPConnection) -> str:
        connection.request("GET", SEARCH, headers=self._fields())
        response = connection.getresponse()
        found = response.read()
        return "" if found == b'{"size": 0}' else f"{response.status} {found[:200]!r}"

    def _send_pieces(self, connection: http.client.HTTPConnection, number: int) -> str:
        size = PIECES * len(PIECE)
        connection.putrequest("PUT", f"{STORE}{number}.bin")
        for name, value in {**self._fields(), "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(PIECES):
            connection.send(PIECE)
            self._stopping.wait(PACE)
        response = connection.getresponse()
        found = response.read()
        return "" if found == b'{"size": %d}' % size else f"{response.status} {found[:200]!r}"

    def _read_pieces(self, connection: http.client.HTTPConnection) -> str:
        connection.request("GET", f"{STORE}model.bin", headers=self._fields())
        response = connection.getresponse()
        found = response.read()
        return "" if found == PIECE * PIECES else f"{response.status} {len(found)} bytes"

    def _count(self, kind: str, ask: Callable[[], str]) -> None:
        try:
            trouble = ask()
        except (OSError, http.client.HTTPException) as error:
            trouble = repr(error)
        with self._lock:
            if trouble:
                self.failures.append(f"{kind}: {trouble}")
            else:
                self.served[kind] += 1
        if trouble:
            self._stopping.wait(0.05)

    def _connection(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=SECONDS, context=self.context
        )

    def _fields(self) -> dict[str, str]:
        return dict([bearer(self.key).split(": ", 1)])
