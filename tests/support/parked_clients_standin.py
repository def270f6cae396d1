"""A server that treats its clients as a parked gate does, to measure what they survive.

It responds to one kind of request as its script says: after how long, with which status, and what
becomes of the body.  To everything else, and after the script's end, it responds as MLflow would
to a client of these tests, from canned messages.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

RUN: Final = {
    "info": {
        "run_id": "r" * 32,
        "run_uuid": "r" * 32,
        "experiment_id": "0",
        "status": "RUNNING",
        "start_time": 1,
        "artifact_uri": f"mlflow-artifacts:/0/{'r' * 32}/artifacts",
        "lifecycle_stage": "active",
    },
    "data": {},
}
TRACE: Final = {
    "trace_id": "tr-" + "a" * 32,
    "trace_location": {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": "0"},
    },
    "request_time": "2026-01-01T00:00:00Z",
    "state": "OK",
    "tags": {"mlflow.artifactLocation": f"mlflow-artifacts:/0/traces/tr-{'a' * 32}/artifacts"},
}
OLD_TRACE: Final = {
    "request_id": "tr-" + "a" * 32,
    "experiment_id": "0",
    "timestamp_ms": 1,
    "status": "OK",
    "tags": [
        {"key": key, "value": value}
        for key, value in (TRACE["tags"].items() if isinstance(TRACE["tags"], dict) else ())
    ],
}
MODEL: Final = {"name": "model", "creation_timestamp": 1, "last_updated_timestamp": 1}
FILE: Final = bytes(range(256)) * 64
CANNED: Final[tuple[tuple[str, object], ...]] = (
    (r"runs/(create|get)$", {"run": RUN}),
    (r"2.0/mlflow/experiments/(get|get-by-name)$", {"experiment": {"experiment_id": "0"}}),
    (r"2.0/mlflow/traces", {"trace_info": OLD_TRACE}),
    (r"3.0/mlflow/traces$", {"trace": {"trace_info": TRACE}}),
    (r"registered-models/", {"registered_model": MODEL}),
    (
        r"mlflow-artifacts/artifacts$",
        {"files": [{"path": "a.bin", "is_dir": False, "file_size": len(FILE)}]},
    ),
    (r"artifacts/list$", {"files": []}),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one request is treated.

    Attributes:
        hold: seconds until the response.
        status: of the response; 200: MLflow's.
        retry_after: the header's value; empty: no such header.
        body: when the request's body is read: before the hold, after it but before the response,
            after the response, or never, in which case the connection is closed.
    """

    hold: float = 0.0
    status: int = 429
    retry_after: str = ""
    body: Literal["before", "after hold", "after response", "never"] = "before"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request of the scripted kind, as it arrived."""

    at: float
    method: str
    path: str
    size: int
    digest: str


@dataclass
class Script:
    """What happens to the requests whose path matches ``path``.

    Attributes:
        path: a regular expression.
        attempts: one for each request, in their order.
        last: for all further ones.
        seen: the requests so far.
    """

    path: str
    attempts: Sequence[Attempt] = ()
    last: Attempt = field(default_factory=lambda: Attempt(status=200))
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, method: str, path: str) -> tuple[int, Attempt]:
        """The number and the treatment of a request that has begun."""
        with self.lock:
            number = len(self.seen)
            self.seen.append(Seen(time.monotonic(), method, path, -1, ""))
        return number, self.attempts[number] if number < len(self.attempts) else self.last

    def arrived(self, number: int, body: bytes) -> None:
        """The body of that request has arrived whole."""
        was = self.seen[number]
        digest = hashlib.sha256(body).hexdigest()
        self.seen[number] = Seen(was.at, was.method, was.path, len(body), digest)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: ClassVar[Script]
    over: ClassVar[threading.Event]

    def _any(self) -> None:
        path = urlsplit(self.path).path
        if not re.search(self.script.path, path):
            self._body()
            return self._canned(path)
        number, attempt = self.script.next(self.command, path)
        if attempt.body == "before":
            self.script.arrived(number, self._body())
        self.over.wait(attempt.hold)
        if attempt.body == "after hold":
            self.script.arrived(number, self._body())
        if attempt.status == 200:
            return self._canned(path)
        if attempt.body == "never":
            self.close_connection = True
        headers = {"Retry-After": attempt.retry_after} if attempt.retry_after else {}
        text = json.dumps({"error_code": "RESOURCE_EXHAUSTED", "message": "parked"}).encode()
        self._send(attempt.status, text, headers)
        if attempt.body == "after response":
            self.script.arrived(number, self._body())
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 (its base's names)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def _canned(self, path: str) -> None:
        if path.endswith("/version"):
            return self._send(200, b"3.17.2", {"Content-Type": "text/plain"})
        if self.command == "GET" and path.endswith("a.bin"):
            return self._send(200, FILE, {"Content-Type": "application/octet-stream"})
        found: Any = next((answer for where, answer in CANNED if re.search(where, path)), {})
        return self._send(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its base's name)
        """Nothing: the script keeps what matters."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are part of the measurement."""


@contextmanager
def stand_in(script: Script) -> Iterator[str]:
    """Serve by the script; the address of the server."""
    over = threading.Event()
    handler = type("Handler", (_Handler,), {"script": script, "over": over})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()
