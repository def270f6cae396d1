"""A real OTLP/HTTP receiver in the test: it decodes what is sent with OpenTelemetry's messages.

It answers as its ``behaviour`` says, which a test may change at any time::

    with OtlpReceiver() as receiver:
        receiver.behaviour = status(503)
        ...
        span = receiver.span(lambda each: each.attributes["url.path"] == "/version")
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.patience import patience
from tests.support.ports import free_port

WAIT_SECONDS = 30.0
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class ReceivedSpan:
    """One span, with its ids as hexadecimal digits, and the resource that it belongs to."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    flags: int
    start: int
    end: int
    attributes: Mapping[str, Any]
    events: Mapping[str, int]
    status: int
    message: str
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class ReceivedRequest:
    """One request: what came with it, and whether it was decoded and taken."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    taken: bool


Handler = BaseHTTPRequestHandler
Behaviour = Callable[["OtlpReceiver", Handler, bytes], bool]
"""Answers a request; returns whether it takes what was sent."""


def _respond(
    handler: Handler,
    code: int,
    body: bytes = b"",
    media: str = PROTOBUF,
    fields: Mapping[str, str] = {},
) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", media)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in fields.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def ok(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
    """Take everything."""
    _respond(handler, 200)
    return True


def status(code: int, **fields: str) -> Behaviour:
    """Answer with a status, and these header fields."""

    def answer(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
        _respond(handler, code, fields=fields)
        return False

    return answer


def partial(rejected: int, why: str) -> Behaviour:
    """Take what is sent, but for so many spans or points."""

    def answer(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
        if handler.path.endswith("/v1/traces"):
            traces = ExportTraceServiceResponse()
            traces.partial_success.rejected_spans = rejected
            traces.partial_success.error_message = why
            _respond(handler, 200, traces.SerializeToString())
        else:
            metrics = ExportMetricsServiceResponse()
            metrics.partial_success.rejected_data_points = rejected
            metrics.partial_success.error_message = why
            _respond(handler, 200, metrics.SerializeToString())
        return True

    return answer


def page(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
    """Answer as another web server does."""
    _respond(handler, 200, b"<html>hello</html>", "text/html")
    return False


def raw(answer: bytes) -> Behaviour:
    """Send these bytes and close the connection."""

    def send(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
        handler.wfile.write(answer)
        handler.close_connection = True
        return False

    return send


def hang(receiver: OtlpReceiver, handler: Handler, body: bytes) -> bool:
    """Answer nothing until the receiver is stopped, or behaves in another way."""
    while receiver.behaviour is hang and not receiver.stopped.wait(0.05):
        pass
    handler.close_connection = True
    return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gate that closes its connection is no error."""


@dataclass
class OtlpReceiver:
    """Listens on a loopback port from ``start`` until ``stop``; a context manager.

    With ``tls`` it speaks HTTPS.  A receiver that is started again has the port that it had.
    """

    tls: ssl.SSLContext | None = None
    behaviour: Behaviour = ok
    requests: list[ReceivedRequest] = field(default_factory=list)
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        receiver = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver._connections.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                receiver._on_post(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        self.stopped.clear()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        self.stopped.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for each in self._connections:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._connections.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # --- what came -------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition on what came."""
        with self._changed:
            assert self._changed.wait_for(condition, patience(WAIT_SECONDS)), (
                what or "it did not come"
            )

    def span(self, matches: Callable[[ReceivedSpan], bool]) -> ReceivedSpan:
        """Wait for a span that matches, and return the first."""
        self.wait_until(lambda: any(map(matches, self.spans)), "no such span came")
        return next(filter(matches, self.spans))

    def trace(self, trace_id: str, count: int) -> list[ReceivedSpan]:
        """Wait for so many spans of a trace, and return them as they came."""

        def found() -> list[ReceivedSpan]:
            return [each for each in self.spans if each.trace_id == trace_id]

        self.wait_until(lambda: len(found()) >= count, f"not {count} spans of {trace_id} came")
        return found()

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The points of a metric in the last export: attributes and point."""
        found = []
        for of_resource in self.metrics[-1].resource_metrics if self.metrics else ():
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    if metric.name == name:
                        data = getattr(metric, metric.WhichOneof("data"))
                        found += [(attributes(p.attributes), p) for p in data.data_points]
        return found

    def wait_for_points(
        self, name: str, matches: Callable[[dict[str, Any], Any], bool]
    ) -> tuple[dict[str, Any], Any]:
        """Wait for an export in which a point of a metric matches, and return the first."""

        def found() -> list[tuple[dict[str, Any], Any]]:
            return [each for each in self.points(name) if matches(*each)]

        self.wait_until(found, f"no such point of {name} came")
        return found()[0]

    def _on_post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        taken = self.behaviour(self, handler, body)
        with self._changed:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append(ReceivedRequest(handler.path, headers, body, taken))
            if taken:
                self._take(handler.path, headers, body)
            self._changed.notify_all()

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        assert headers["content-type"] == PROTOBUF
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        if path.endswith("/v1/metrics"):
            self.metrics.append(ExportMetricsServiceRequest.FromString(content))
            return
        assert path.endswith("/v1/traces"), path
        for of_resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            resource = attributes(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [_received(each, resource) for each in of_scope.spans]


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes by name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


def _received(span: Any, resource: Mapping[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        span.flags,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes(span.attributes),
        {each.name: each.time_unix_nano for each in span.events},
        span.status.code,
        span.status.message,
        resource,
    )
