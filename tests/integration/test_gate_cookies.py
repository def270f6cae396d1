"""Cookies pass between clients and the gate's own pages, and never between the gate and MLflow.

The gate's own application is a real one that sets a cookie, and so is the MLflow beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import AuthenticatorChain
from headgate.config import Config
from headgate.config.files import Files
from headgate.control.serving import ControlServer
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.connections.dial import pair_dial
from headgate.decide.builder import PipelineBuilder
from headgate.events import discard
from headgate.runtime.gate import LiveGate
from headgate.telemetry.counters import Counters
from headgate.telemetry.outcome_sinks import OutcomeSinks

PAGE = "/-/health"
RUNS = "/api/2.0/mlflow/runs/get"
COOKIES = "a=1; __Host-headgate_session=secret; b=2"
Ask = Callable[[str, str], Awaitable[str]]


async def echo(request: Request) -> Response:
    """Set two cookies, and show those that came."""
    response = JSONResponse({"cookies": request.headers.get("cookie", "")})
    response.set_cookie("__Host-headgate_session", "new", secure=True, httponly=True)
    response.set_cookie("other", "new")
    return response


async def with_gate(folder: Path, use: Callable[[Ask], Awaitable[None]]) -> None:
    """Run a gate with both applications; ``use`` gets what asks it for a path with cookies."""
    loop = asyncio.get_running_loop()
    pages = ControlServer(Starlette(routes=[Route(PAGE, echo)]))
    mlflow = await loop.create_server(
        ControlServer(Starlette(routes=[Route(RUNS, echo)])).accept, "127.0.0.1", 0
    )
    port = mlflow.sockets[0].getsockname()[1]
    upstream = {"url": f"http://127.0.0.1:{port}", "credentials": {"policy": "pass"}}
    row = Counters(1).row(0)
    gate = LiveGate(
        Config.model_validate(
            {"data": folder, "auth": {"mode": "none"}, "upstreams": {"default": upstream}}
        ),
        PipelineBuilder(AuthenticatorChain([Anonymous()], time.time), discard),
        pair_dial(pages.accept),
        account=OutcomeSinks(row, None, discard).account,
        emit=discard,
        row=row,
        access_log=None,
        tls=None,
        files=Files(),
        keep=lambda _: None,
    )
    await gate.prepare()
    listener = await loop.create_server(lambda: ClientConnection(gate.plane), "127.0.0.1", 0)
    address = listener.sockets[0].getsockname()[1]

    async def ask(path: str, cookies: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", address)
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookies}"
        writer.write(f"{head}\r\n\r\n".encode())
        response = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return response

    try:
        await use(ask)
    finally:
        gate.plane.abort()
        gate.close()
        listener.close()
        mlflow.close()


def test_cookies_of_the_gates_own_pages_pass_both_ways(tmp_path: Path) -> None:
    """The page gets the gate's cookie alone, and the client all that the page sets."""

    async def use(ask: Ask) -> None:
        for _ in range(2):  # the second response is understood from the first
            response = await ask(PAGE, COOKIES)
            assert response.startswith("HTTP/1.1 200 ")
            assert '{"cookies":"__Host-headgate_session=secret"}' in response
            assert "\r\nset-cookie: __Host-headgate_session=new; " in response
            assert "\r\nset-cookie: other=new; " in response
        assert '{"cookies":""}' in await ask(PAGE, "a=1")

    asyncio.run(with_gate(tmp_path, use))


def test_mlflow_neither_sees_nor_sets_the_gates_cookies(tmp_path: Path) -> None:
    """With ``credentials.policy = "pass"`` MLflow gets the client's other cookies."""

    async def use(ask: Ask) -> None:
        for path in (RUNS, f"/mlflow{RUNS}"):
            response = await ask(path, COOKIES)
            assert response.startswith("HTTP/1.1 200 ")
            assert '{"cookies":"a=1; b=2"}' in response
            assert "set-cookie" not in response.lower()

    asyncio.run(with_gate(tmp_path, use))
