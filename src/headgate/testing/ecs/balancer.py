"""An Application Load Balancer: passes requests on to healthy targets, and counts them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import h11

READ = 64 * 1024
CONNECT_SECONDS = 5.0
IDLE_SECONDS = 60.0
CHECK_SECONDS = 5.0
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that ended: when, in seconds of the model; how long it took, in real seconds.

    ``group`` is empty for a response that the load balancer itself made.
    """

    listener: str
    at: float
    seconds: float
    status: int
    group: str


@dataclass
class Target:
    """A target of a group.  ``state`` is one of ELB's: initial, healthy, unhealthy, draining."""

    address: str
    port: int
    state: str = "initial"
    good: int = 0
    bad: int = 0
    checked: float = 0.0


@dataclass
class Group:
    """A target group."""

    name: str
    path: str = "/health"
    targets: dict[str, Target] = field(default_factory=dict)
    turn: int = 0

    def pick(self) -> Target | None:
        """The next target, in turn; if none is healthy, any that is not draining (fail open)."""
        there = [each for each in self.targets.values() if each.state != "draining"]
        chosen = [each for each in there if each.state == "healthy"] or there
        if not chosen:
            return None
        self.turn += 1
        return chosen[self.turn % len(chosen)]


class Balancer:
    """Listens on two ports of ``host``: production, and tests.

    ``weights`` has the share of each group in each listener's requests, in per cent.
    """

    def __init__(self, host: str, now: Callable[[], float]) -> None:
        self.host = host
        self.groups: dict[str, Group] = {}
        self.weights: dict[str, dict[str, float]] = {"production": {}, "test": {}}
        self.seen: list[Seen] = []
        self.ports: dict[str, int] = {}
        self._now = now
        self._given: dict[tuple[str, str], float] = {}
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="balancer", daemon=True)

    def url(self, listener: str = "production") -> str:
        """Where a listener is."""
        return f"http://{self.host}:{self.ports[listener]}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        for listener in self.weights:
            self._loop.run_until_complete(self._listen(listener))
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            for server in self._servers:
                server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _listen(self, listener: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
                await self._connection(listener, reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, self.host, 0, limit=READ)
        self._servers.append(server)
        self.ports[listener] = server.sockets[0].getsockname()[1]

    def _choose(self, listener: str) -> tuple[str, Target] | None:
        """A group by weight, and a target of it."""
        shares = {name: share for name, share in self.weights[listener].items() if share > 0}
        for name, share in shares.items():
            self._given[listener, name] = self._given.get((listener, name), 0.0) + share
        for name in sorted(shares, key=lambda each: -self._given[listener, each]):
            target = self.groups[name].pick()
            if target is not None:
                self._given[listener, name] -= sum(shares.values())
                return name, target
        return None

    async def _connection(
        self, listener: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = h11.Connection(h11.SERVER)
        while True:
            request = await _next(client, reader, IDLE_SECONDS)
            if not isinstance(request, h11.Request):
                return
            began = time.monotonic()
            chosen = self._choose(listener)
            status, group = await self._exchange(client, request, chosen, reader, writer)
            seconds = time.monotonic() - began
            self.seen.append(Seen(listener, self._now(), seconds, status, group))
            if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
                return
            client.start_next_cycle()

    async def _exchange(
        self,
        client: h11.Connection,
        request: h11.Request,
        chosen: tuple[str, Target] | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> tuple[int, str]:
        """Pass one request on; the status, and the group if a target responded."""
        if chosen is None:
            return await _own(client, writer, 503), ""
        group, target = chosen
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                up_reader, up_writer = await asyncio.open_connection(target.address, target.port)
        except (OSError, TimeoutError):
            return await _own(client, writer, 502), ""
        try:
            return await _relay(client, request, reader, writer, up_reader, up_writer), group
        except _BrokenTargetError:
            return await _own(client, writer, 502), ""
        finally:
            up_writer.close()


class _BrokenTargetError(Exception):
    """The target ended the connection before its response began."""


async def _relay(
    client: h11.Connection,
    request: h11.Request,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up_reader: asyncio.StreamReader,
    up_writer: asyncio.StreamWriter,
) -> int:
    upstream = h11.Connection(h11.CLIENT)
    peer = writer.get_extra_info("peername")[0].encode()
    framing = [(n, v) for n, v in request.headers if n == b"transfer-encoding"]
    headers = [(n, v) for n, v in request.headers if n not in HOP_BY_HOP]
    added = [(b"x-forwarded-for", peer), (b"x-forwarded-proto", b"http"), (b"connection", b"close")]
    head = h11.Request(
        method=request.method, target=request.target, headers=[*headers, *framing, *added]
    )
    up_writer.write(upstream.send(head) or b"")
    if client.they_are_waiting_for_100_continue:
        go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
        writer.write(client.send(go_on) or b"")

    async def send_body() -> None:
        while True:
            event = await _next(client, reader, IDLE_SECONDS)
            if isinstance(event, h11.Data | h11.EndOfMessage):
                up_writer.write(upstream.send(event) or b"")
                await up_writer.drain()
            if not isinstance(event, h11.Data):
                return

    sending = asyncio.ensure_future(send_body())
    try:
        return await _respond(client, writer, upstream, up_reader)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, h11.ProtocolError, TimeoutError):
            await sending


async def _respond(
    client: h11.Connection,
    writer: asyncio.StreamWriter,
    upstream: h11.Connection,
    up_reader: asyncio.StreamReader,
) -> int:
    status = 0
    while True:
        try:
            event = await _next(upstream, up_reader, 3600.0)
        except (OSError, h11.ProtocolError):
            if status:
                raise ConnectionResetError("the response broke off") from None
            raise _BrokenTargetError from None
        if isinstance(event, h11.Response):
            status = event.status_code
            framing = [(n, v) for n, v in event.headers if n == b"transfer-encoding"]
            kept = [(n, v) for n, v in event.headers if n not in HOP_BY_HOP]
            response = h11.Response(
                status_code=status, headers=[*kept, *framing], reason=event.reason
            )
            writer.write(client.send(response) or b"")
        elif isinstance(event, h11.Data | h11.EndOfMessage):
            writer.write(client.send(event) or b"")
            await writer.drain()
            if isinstance(event, h11.EndOfMessage):
                return status
        elif isinstance(event, h11.ConnectionClosed):
            raise _BrokenTargetError


async def _own(client: h11.Connection, writer: asyncio.StreamWriter, status: int) -> int:
    """A response of the load balancer's own, after which the connection ends."""
    if client.our_state is h11.SEND_RESPONSE:
        body = f"<html>{status}</html>".encode()
        headers = [("content-length", str(len(body))), ("connection", "close")]
        head = h11.Response(status_code=status, headers=headers)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(client.send(event) or b"")
        await writer.drain()
    return status


async def _next(connection: h11.Connection, reader: asyncio.StreamReader, seconds: float) -> object:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        async with asyncio.timeout(seconds):
            connection.receive_data(await reader.read(READ))


def check(target: Target, path: str) -> bool:
    """Ask a target as the health check does: 200 is good."""
    connection = http.client.HTTPConnection(target.address, target.port, timeout=CHECK_SECONDS)
    try:
        connection.request("GET", path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
