"""The proxy that a team writes with what it knows: Starlette and httpx, streaming both ways."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bench.peers.operations import exact_paths

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_OURS = frozenset({"authorization", "host", "connection", "x-request-id", "transfer-encoding"})
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})
_LOG_BUFFER = 32 * 1024


def create() -> Starlette:
    """The application, set up by PROXY_UPSTREAM, PROXY_KEY and PROXY_LOG."""
    proxy = _Proxy(
        os.environ["PROXY_UPSTREAM"],
        {f"Bearer {os.environ['PROXY_KEY']}": "bench"},
        Path(os.environ["PROXY_LOG"]),
    )
    routes = [Route("/{path:path}", proxy.forward, methods=_METHODS)]
    return Starlette(routes=routes, lifespan=proxy.lifespan)


class _Proxy:
    def __init__(self, upstream: str, principals: dict[str, str], log: Path) -> None:
        self._upstream = upstream
        self._principals = principals
        self._operations = exact_paths()
        self._log = log.open("w", encoding="utf-8", buffering=_LOG_BUFFER)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(None))

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with self._client:
            yield
        self._log.close()

    async def forward(self, request: Request) -> Response:
        started = time.monotonic()
        principal = self._principals.get(request.headers.get("authorization", ""))
        if principal is None:
            return Response(status_code=401)
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        outgoing = self._client.build_request(
            request.method,
            httpx.URL(f"http://{self._upstream}", raw_path=_target(request)),
            headers=self._headers(request, request_id),
            content=request.stream() if has_body else None,
        )
        received = await self._client.send(outgoing, stream=True)

        async def done() -> None:
            await received.aclose()
            self._account(request, principal, request_id, received, time.monotonic() - started)

        response = StreamingResponse(
            received.aiter_raw(), status_code=received.status_code, background=BackgroundTask(done)
        )
        response.raw_headers = [
            (name.lower(), value)
            for name, value in received.headers.raw
            if name.lower().decode() not in _HOP_BY_HOP
        ]
        response.headers["x-request-id"] = request_id
        return response

    def _headers(self, request: Request, request_id: str) -> list[tuple[str, str]]:
        client = request.client.host if request.client else "unknown"
        kept = [(name, value) for name, value in request.headers.items() if name not in _OURS]
        return [
            *kept,
            ("host", self._upstream),
            ("x-request-id", request_id),
            ("x-forwarded-for", client),
            ("x-forwarded-proto", request.url.scheme),
            ("x-forwarded-host", request.headers.get("host", "")),
        ]

    def _account(
        self,
        request: Request,
        principal: str,
        request_id: str,
        received: httpx.Response,
        seconds: float,
    ) -> None:
        path, headers = request.url.path, request.headers
        operation = self._operations.get(path)
        milliseconds = round(seconds * 1000, 3)
        outcome = {
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "event": "request",
            "reason": "ok",
            "phase": "respond",
            "status": received.status_code,
            "source": "mlflow",
            "method": request.method,
            "path": path,
            "route": path,
            "operation": operation.name if operation else "",
            "family": operation.family if operation else "",
            "principal": principal,
            "principal_id": principal,
            "key_id": principal,
            "authenticator": "key",
            "request_id": request_id,
            "trace_id": headers.get("traceparent", "")[3:35],
            "duration_ms": milliseconds,
            "connect_ms": 0.0,
            "first_byte_ms": round(received.elapsed.total_seconds() * 1000, 3),
            "upstream_ms": milliseconds,
            "bytes_in": int(headers.get("content-length", 0)),
            "bytes_out": received.num_bytes_downloaded,
            "client": request.client.host if request.client else "unknown",
            "upstream": "mlflow",
            "endpoint": self._upstream,
            "attempts": 1,
            "user_agent": headers.get("user-agent", ""),
            "client_version": headers.get("x-mlflow-client-version", ""),
        }
        self._log.write(json.dumps(outcome) + "\n")


def _target(request: Request) -> bytes:
    """The path as it was sent, and the query if there is one."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path
