"""One worker process: its listener, its periodic work, and how it stops."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headgate.config import Listen
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_proxied import ProxyHeaderConnection, accepted
from headgate.dataplane.connection_states import NEW
from headgate.dataplane.plane import DataPlane
from headgate.events import (
    CutOff,
    Drained,
    Draining,
    Emit,
    HandshakeFailure,
    InternalError,
    LameDuck,
    SupervisorGone,
)
from headgate.runtime import listener as listening
from headgate.runtime.descriptors import Scarcity
from headgate.runtime.ops_listener import OpsListener
from headgate.runtime.tls_listener import TlsListener

SWEEP_SECONDS = 0.5
FIRST_REQUEST_LOOKS = 100
FIRST_REQUEST_SECONDS = 2.0
"""How long clients that have just connected may take to send what they came for."""
Companion = Callable[[], Coroutine[Any, Any, None]]


class Upkeep(Protocol):
    """What a worker does periodically for the gate that it runs."""

    async def prepare(self) -> None:
        """What must be done before the first request is served."""

    def tick(self) -> None:
        """Called twice a second."""

    def reload(self) -> None:
        """Read the configuration again, if that is possible."""

    def handshake_failed(self, cause: HandshakeFailure) -> None:
        """Count a TLS handshake that failed."""

    def close(self) -> None:
        """Release everything; called once, after the last request."""


async def _immediately() -> None:
    """Wait for nothing."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a worker has to know of the hand-overs of its gate.

    Attributes:
        passed_on: whether another gate has the listening sockets too.
        is_left: whether another gate has taken over.
        may_accept: waits until this worker may accept connections.
    """

    passed_on: Callable[[], bool] = lambda: False
    is_left: Callable[[], bool] = lambda: False
    may_accept: Companion = _immediately


class Worker:
    """Runs a ``DataPlane`` on listening sockets until a signal stops it.

    Args:
        listen: how to listen and how to end.
        plane: the data plane.
        upkeep: periodic work and reloading.
        emit: takes the events.
        tls: the TLS context of the listener, if it has one.
        companions: endless coroutines to run beside, such as the one that follows the key store.
        reloads: whether there is anything to read again.
        heart: an endless coroutine that runs from the first turn of the loop to the last.
        ops: the operators' listener, open from before the first request until the last has ended.
        stopping: called when the worker begins to stop, unless another gate has taken over.
        hand_over: from the gate before, and to the next one.

    ``orphaned``: whether the supervisor is gone.
    """

    def __init__(
        self,
        listen: Listen,
        plane: DataPlane,
        upkeep: Upkeep,
        emit: Emit,
        *,
        tls: ssl.SSLContext | None = None,
        companions: Sequence[Companion] = (),
        reloads: bool = True,
        heart: Companion | None = None,
        ops: OpsListener | None = None,
        stopping: Callable[[], None] = lambda: None,
        hand_over: HandOver = HandOver(),
    ) -> None:
        self._listen = listen
        self._plane = plane
        self._upkeep = upkeep
        self._emit = emit
        self._tls = tls
        self._companions = companions
        self._reloads = reloads
        self._heart = heart
        self._ops = ops
        self._stopping = stopping
        self._hand_over = hand_over
        self._doors: list[TlsListener] = []
        self._stop = asyncio.Event()
        self._leaving = False
        self._drain_now = asyncio.Event()
        self._cut_short = asyncio.Event()
        self._lame_duck = 0.0
        self._lame_duck_over = asyncio.Event()
        self.orphaned = False

    async def run(
        self,
        listeners: Sequence[socket.socket],
        ready: Callable[[], None],
        lifeline: int | None = None,
    ) -> None:
        """Serve on ``listeners`` until ``stop`` or a signal; ``ready`` is called once it serves.

        When ``lifeline``, a file descriptor, becomes readable, the supervisor is gone.

        SIGTERM stops after the lame-duck time, SIGINT immediately; a second signal cuts requests
        off.  Where another gate has taken over, both leave the sockets to it.  SIGHUP reloads the
        configuration; where there is none, it means that a terminal is gone, and stops.
        """
        loop = asyncio.get_running_loop()
        helpers = [loop.create_task(self._heart(), name="heart")] if self._heart else []
        handlers = {
            signal.SIGTERM: lambda: self.stop(self._listen.lame_duck),
            signal.SIGINT: self.stop,
            signal.SIGHUP: self._upkeep.reload if self._reloads else self.stop,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        if lifeline is not None:
            loop.add_reader(lifeline, self._on_orphaned, loop, lifeline)
        try:
            await self._before_the_first_request()
            servers = await self._accept_on(listeners)
            helpers += [
                loop.create_task(self._sweep(), name="sweep"),
                *(loop.create_task(make(), name=make.__qualname__) for make in self._companions),
            ]
            ready()
            await self._until_stopped(helpers)
            self._close(listeners, servers)
            if self._was_shared(listeners):
                await self._first_requests()
            if self._leaving:
                await self._kept_connections()
            await self._drain()
        finally:
            self._plane.abort()
            if self._ops is not None:
                await self._ops.close()
            await _cancel(helpers)
            self._upkeep.close()
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _before_the_first_request(self) -> None:
        """Prepare, and wait until connections may be accepted or the worker is stopped."""
        takes_over = self._hand_over.passed_on()
        if self._ops is not None and not takes_over:
            await self._ops.open()
        await self._upkeep.prepare()
        waits = [
            asyncio.ensure_future(self._hand_over.may_accept()),
            asyncio.ensure_future(self._stop.wait()),
        ]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(waits)
        for each in done:
            each.result()
        if self._ops is not None and takes_over and not self._stop.is_set():
            await self._ops.open()  # until now the gate before says how it is

    async def _accept_on(
        self, listeners: Sequence[socket.socket]
    ) -> list[asyncio.Server | TlsListener]:
        """Accept connections, unless the worker was stopped while others have the sockets too."""
        if self._stop.is_set() and self._hand_over.passed_on():
            return []
        return [await self._listen_on(each) for each in listeners]

    async def _listen_on(self, listener: socket.socket) -> asyncio.Server | TlsListener:
        if self._tls is None:
            return await asyncio.get_running_loop().create_server(
                lambda: accepted(self._plane), sock=listener, backlog=self._listen.backlog
            )
        door = TlsListener(
            listener,
            self._listen.backlog,
            self._plane,
            self._tls,
            self._upkeep.handshake_failed,
        )
        self._doors.append(door)
        door.open()
        return door

    def _close(
        self, listeners: Sequence[socket.socket], servers: Sequence[asyncio.Server | TlsListener]
    ) -> None:
        """Accept no more."""
        passed_on = self._hand_over.passed_on()
        for listener in listeners:
            listening.end(listener, passed_on=passed_on)
        for server in servers:
            server.close()
        if self._leaving and self._ops is not None:
            self._ops.leave()

    def _was_shared(self, listeners: Sequence[socket.socket]) -> bool:
        """Whether connections that come from now on are served by somebody else."""
        return self._hand_over.passed_on() or any(
            isinstance(each, listening.KeptSocket) for each in listeners
        )

    def stop(self, lame_duck: float = 0.0) -> None:
        """Serve on for ``lame_duck`` seconds, let running requests finish, return from ``run``.

        A second call cuts them off.  Where another gate has taken over, this one only leaves.
        """
        if self._leaving and not self._drain_now.is_set():
            self._drain_now.set()
        elif self._stop.is_set():
            self._cut_short.set()
            self._plane.abort()
        elif self._hand_over.is_left():
            self._leaving = True
            self._plane.turn_away()
        else:
            self._lame_duck = lame_duck
            self._stopping()
            self._plane.turn_away()
            if lame_duck:
                self._emit(LameDuck(lame_duck))
        self._stop.set()

    def _on_orphaned(self, loop: asyncio.AbstractEventLoop, lifeline: int) -> None:
        loop.remove_reader(lifeline)
        self._emit(SupervisorGone())
        self.orphaned = True
        self.stop()

    async def _until_stopped(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        """Wait for ``stop``; a helper that ends before is a defect and ends the gate."""
        stopped = asyncio.ensure_future(self._stop.wait())
        done, _ = await asyncio.wait((stopped, *helpers), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done:
            if task is not stopped:
                task.result()
                raise RuntimeError(f"{task.get_name()} ended")
        await self._until_any(self._lame_duck, self._cut_short, self._lame_duck_over)

    async def _sweep(self) -> None:
        scarcity = Scarcity(self._emit)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.sleep(0)  # where the process stood still, what came meanwhile is read
            if self._hand_over.is_left():
                self._lame_duck_over.set()  # what comes from now on is the next gate's
            try:
                scarcity.look()
                self._plane.sweep()
                for door in self._doors:
                    door.sweep()
                if self._ops is not None:
                    self._ops.sweep()
                self._upkeep.tick()
            except Exception as error:  # noqa: BLE001
                # Supervisor: what failed now is tried again in a moment; the gate goes on.
                self._emit(InternalError("doing the periodic work", error))

    async def _first_requests(self) -> None:
        """Wait a moment for the requests of connections that were accepted last.

        Their clients could have been served by the next gate, had they come a moment later: none
        of them may lose its connection to a restart.
        """
        for _ in range(FIRST_REQUEST_LOOKS):
            # First of all: what the loop has accepted in this turn is a connection in the next.
            await asyncio.sleep(FIRST_REQUEST_SECONDS / FIRST_REQUEST_LOOKS)
            if self._cut_short.is_set() or not self._has_newcomers():
                return

    def _has_newcomers(self) -> bool:
        if any(door.shaking for door in self._doors):
            return True
        return any(
            isinstance(each, ProxyHeaderConnection)
            or (isinstance(each, ClientConnection) and each.stage is NEW)
            for each in self._plane.connections
        )

    async def _kept_connections(self) -> None:
        """Let clients end the connections that they keep open between requests.

        A client may be about to send its next request: that is responded to with ``Connection:
        close``, and the client opens another connection, to the next gate.  A connection that is
        closed under its request would be a failure that the hand-over has caused.
        """
        if not self._plane.connections:
            return
        self._plane.emptied.clear()
        longest = self._plane.limits.keepalive_timeout
        await self._until_any(longest, self._plane.emptied, self._drain_now, self._cut_short)

    async def _drain(self) -> None:
        """Wait for the requests under way, but not indefinitely."""
        plane = self._plane
        plane.drain()
        if self._leaving and not self._drain_now.is_set():
            # Nobody waits for this process to end: the address is served.
            longest = self._listen.hand_over_timeout
            self._emit(Draining(plane.in_flight, longest))
            await self._until_any(longest, plane.emptied, self._drain_now)
        if not self._leaving or self._drain_now.is_set():
            longest = self._listen.drain_timeout
            self._emit(Draining(plane.in_flight, longest))
            await self._until_any(longest, plane.emptied)
        if plane.emptied.is_set():
            self._emit(Drained())
        else:
            self._emit(CutOff(len(plane.connections)))

    async def _until_any(self, seconds: float, *moments: asyncio.Event) -> None:
        """Wait until one of these has come, but no longer than ``seconds``."""
        waits = [asyncio.ensure_future(each.wait()) for each in moments]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(waits)


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
