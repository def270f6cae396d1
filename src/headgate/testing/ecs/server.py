"""The one address of the stand-in: ECS here, everything else from moto."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from headgate.testing.ecs import shapes
from headgate.testing.ecs.api import ApiError, Ecs

PREFIX = "AmazonEC2ContainerServiceV20141113."
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


COMMON = {
    "ThrottlingException": "Rate exceeded",
    "AccessDeniedException": "User: arn:aws:iam::123456789012:user/ci is not authorized to "
    "perform: {action}",
    "ExpiredTokenException": "The security token included in the request is expired",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
}
"""Errors that any operation may have (ECS's API reference, "Common errors"), and AWS's words."""


@dataclass
class Faults:
    """What goes wrong on command.

    ``calls`` notes every operation of ECS that was asked for, those that failed too.
    """

    calls: list[str] = field(default_factory=list)
    _left: dict[str, tuple[str, range]] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)

    def fail(self, operation: str, code: str, times: int, *, after: int = 0) -> None:
        """Let calls of an operation of ECS fail: the next ones, or those ``after`` so many.

        Raises:
            ValueError: ECS has no such operation, or it never fails in that way.
        """
        model = shapes.model()
        if operation not in model.operation_names:
            raise ValueError(f"ECS has no operation {operation}")
        declared = {each.name for each in model.operation_model(operation).error_shapes}
        if code not in {*COMMON, *declared}:
            raise ValueError(f"{operation} has no error {code}")
        begin = self._asked[operation] + after
        self._left[operation] = (code, range(begin, begin + times))

    def take(self, operation: str) -> tuple[str, str] | None:
        """The code and the message of the error that this call gets."""
        number = self._asked[operation]
        self._asked[operation] += 1
        code, failing = self._left.get(operation, ("", range(0)))
        if number not in failing:
            return None
        return code, COMMON.get(code, f"{code} on command").format(action=f"ecs:{operation}")


class Server:
    """Listens on ``host`` until it is closed."""

    def __init__(self, host: str, ecs: Ecs, moto: tuple[str, int], faults: Faults) -> None:
        self._server = ThreadingHTTPServer((host, 0), _handler(ecs, moto, faults))
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="ecs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(ecs: Ecs, moto: tuple[str, int], faults: Faults) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            target = self.headers.get("X-Amz-Target", "")
            operation = target.rpartition(".")[2]
            if not target.startswith(PREFIX):
                self._pass_on(body)
                return
            faults.calls.append(operation)
            error = faults.take(operation)
            self._send(*((400, _error(*error)) if error else _answer(ecs, operation, body)))

        do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - their names

        def _pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(*moto, timeout=30)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP_BY_HOP}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            payload = response.read()
            kind = response.headers.get("Content-Type", "application/x-amz-json-1.1")
            self._send(response.status, payload, kind)
            connection.close()

        def _send(self, status: int, body: bytes, kind: str = "application/x-amz-json-1.1") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Log nothing."""

    return Handler


def _answer(ecs: Ecs, operation: str, body: bytes) -> tuple[int, bytes]:
    """The response of ECS to an operation."""
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower()
    method: Callable[[Any], dict[str, Any]] | None = getattr(ecs, name, None)
    if operation not in shapes.model().operation_names or method is None:
        return 400, _error("UnsupportedFeatureException", f"{operation} is not modelled here.")
    request = json.loads(body or b"{}")
    problem = shapes.request_problem(operation, request)
    if problem:
        return 400, _error("InvalidParameterException", problem)
    try:
        with ecs.lock:
            return 200, json.dumps(shapes.response(operation, method(request))).encode()
    except ApiError as error:
        return 400, _error(error.code, str(error))


def _error(code: str, message: str) -> bytes:
    return json.dumps({"__type": code, "message": message}).encode()
