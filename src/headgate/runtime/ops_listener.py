"""The operators' listener: health and metrics in plain HTTP, apart from what clients use.

Each worker serves it on a socket of its own, as it does the main port, so that a worker whose event
loop stands still shows here too.  It has a data plane of its own, with limits of its own: it
responds while clients have taken up every connection of the main port, while the worker drains,
and before the first endpoint is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.config import Limits, Ops
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_proxied import ProxyHeaderConnection, accepted
from headgate.dataplane.decisions import Decider
from headgate.dataplane.plane import DataPlane
from headgate.errors import HeadgateError
from headgate.events import CutLimit, Emit, OpsListenerOff
from headgate.model import Endpoint, Outcome
from headgate.runtime import listener as listening
from headgate.runtime.listeners import Listeners
from headgate.wire.origin import Network

CONNECTIONS: Final = 128
"""How many connections each worker keeps open here."""
BACKLOG: Final = 128
CLOSE_SECONDS: Final = 1.0
"""How long responses may take that are under way when the worker ends."""
FILES: Final = 4 * CONNECTIONS
"""Open files that the listener can need: a request under way has a pair of sockets besides."""


@dataclass(frozen=True, slots=True)
class _Address:
    """See ``listener.Listens``."""

    host: str
    port: int
    workers: int
    backlog: int = BACKLOG


class OpsSockets:
    """The listening sockets, one for each worker; none where the listener is off.

    Args:
        ops: the settings.
        workers: how many workers there are.
        emit: takes the events.
        passed: those that a service manager or another gate has opened; ``ops`` has their address.

    Raises:
        HeadgateError: the address that was set cannot be listened on.
    """

    def __init__(
        self, ops: Ops, workers: int, emit: Emit, passed: Sequence[socket.socket] = ()
    ) -> None:
        self._emit = emit
        self._listeners: Listeners | None = None
        if ops.address is None:
            return
        listens = _Address(*ops.address, workers)
        try:
            self._listeners = (
                Listeners.passed(listens, passed) if passed else Listeners.bound(listens)
            )
        except HeadgateError as error:
            if ops.is_chosen:
                raise HeadgateError(f"ops.listen: {error}") from error
            emit(OpsListenerOff(ops.listen, str(error)))

    @property
    def address(self) -> Endpoint | None:
        """Where they listen; ``None``: nowhere."""
        return None if self._listeners is None else self._listeners.address

    def renew(self, worker: int) -> None:
        """Make sure that the socket of a worker listens; without one, it does without."""
        if self._listeners is None:
            return
        try:
            self._listeners.renew(worker)
        except HeadgateError as error:  # clients of the gate shall not wait for that
            self._emit(OpsListenerOff(str(self.address), str(error)))

    def take(self, worker: int) -> tuple[socket.socket, ...]:
        """The sockets of a worker, within its process; those of the others are closed."""
        return () if self._listeners is None else self._listeners.take(worker)

    def to_pass_on(self) -> list[socket.socket]:
        """Those that another gate can accept on; they stay owned here."""
        return [] if self._listeners is None else self._listeners.to_pass_on()

    @property
    def is_kept(self) -> bool:
        """Whether a service manager keeps the socket."""
        return self._listeners is not None and self._listeners.is_kept

    def close(self) -> None:
        """Close them all."""
        if self._listeners is not None:
            self._listeners.close()


def ops_limits() -> Limits:
    """The limits of the operators' listener: its requests are short, and their senders few."""
    return Limits.model_validate(
        {
            "head_bytes": 32 * 1024,
            "headers": 100,
            # One address may have half of them; and many may come in one turn of the loop, before
            # any of the older ones can make room.
            "connections": 4 * CONNECTIONS,
            "header_timeout": 10,
            "body_timeout": 10,
        }
    )


class OpsListener:
    """The operators' listener of one worker.

    Args:
        listeners: its sockets, bound and not blocking.
        decider: decides on its requests.
        control: the gate's own pages; closed with it.
        proxies: the networks of proxies that must send a PROXY header; by default none.
        account: called with the outcome of each request.
        emit: takes the events.
        passed_on: whether another gate has the sockets too.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        decider: Decider,
        control: Balancer,
        proxies: Sequence[Network] = (),
        *,
        account: Callable[[Outcome], None],
        emit: Emit,
        passed_on: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listeners = listeners
        self._passed_on = passed_on
        self._control = control
        self._limits = ops_limits()
        self.plane = DataPlane(
            decider, self._limits, time.monotonic, secrets.token_hex(8), account=account, emit=emit
        )
        self.plane.proxy_protocol.networks = proxies
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        for each in self._listeners:
            self._servers.append(
                await loop.create_server(self._connected, sock=each, backlog=BACKLOG)
            )

    def leave(self) -> None:
        """Take no more connections: another gate takes them."""
        for each in self._servers:
            each.close()

    def configure(self, decider: Decider, proxies: Sequence[Network]) -> None:
        """Decide on new requests in this way; ``proxies`` must send a PROXY header."""
        self.plane.configure(decider, self._limits, ())
        self.plane.proxy_protocol.networks = proxies

    def sweep(self) -> None:
        """End the waits that have lasted too long; called about twice a second."""
        self.plane.sweep()
        self._control.sweep()

    async def close(self) -> None:
        """Take no more connections, let responses under way end, and cut the rest."""
        for each in self._listeners:
            listening.end(each, passed_on=self._passed_on())
        self.leave()
        self.plane.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.plane.emptied.wait()
        self.plane.abort()
        self._control.close()

    def _connected(self) -> ClientConnection | ProxyHeaderConnection:
        """A new connection; the oldest one without a request makes room for it.

        So nobody locks others out with connections that send nothing.
        """
        connections = self.plane.connections
        while len(connections) >= CONNECTIONS:
            idle = next((each for each in connections if each.balancer is None), None)
            if idle is None:
                break
            self.plane.cuts.add(CutLimit.OPS_CONNECTIONS)
            idle.abort()
            self.plane.leave(idle)
        return accepted(self.plane)
