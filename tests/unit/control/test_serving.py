"""The gate's own pages are reached within the process, wherever files may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headgate.control.serving import ControlServer
from headgate.dataplane.connections.dial import pair_dial
from headgate.model import Endpoint

HERE = Endpoint("control", 0)
ASK = b"GET /page HTTP/1.1\r\nHost: headgate\r\n\r\n"
WAIT = 60.0


class Peer(asyncio.Protocol):
    """The data plane's end of a connection."""

    def __init__(self) -> None:
        self.received = b""
        self.changed = asyncio.Event()
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.changed.set()

    async def until(self, end: bytes) -> None:
        async with asyncio.timeout(WAIT):
            while not self.received.endswith(end):
                await self.changed.wait()
                self.changed.clear()

    async def ended(self) -> None:
        async with asyncio.timeout(WAIT):
            while not self.lost:
                await self.changed.wait()
                self.changed.clear()


async def page(_request: Request) -> Response:
    return PlainTextResponse("here")


def served() -> ControlServer:
    return ControlServer(Starlette(routes=[Route("/page", page)]))


async def connected(server: ControlServer) -> Peer:
    connection: Any = await pair_dial(server.accept)(HERE, Peer)  # type: ignore[arg-type]
    assert isinstance(connection, Peer)
    return connection


@pytest.mark.patches
def test_a_connection_carries_several_requests_and_ends_with_the_server() -> None:
    async def scene() -> None:
        server = served()
        running = asyncio.get_running_loop().create_task(server.serve())
        peer = await connected(server)
        for _ in range(3):
            peer.received = b""
            peer.transport.write(ASK)
            await peer.until(b"here")
            assert peer.received.startswith(b"HTTP/1.1 200")
        running.cancel()
        await asyncio.wait((running,))
        await peer.ended()

    asyncio.run(scene())


def test_what_cannot_be_served_leaves_nothing_open() -> None:
    def accept() -> asyncio.Protocol:
        raise RuntimeError("a defect")

    async def scene() -> None:
        with pytest.raises(RuntimeError, match="a defect"):
            await pair_dial(accept)(HERE, Peer)  # type: ignore[arg-type]

    asyncio.run(scene())
