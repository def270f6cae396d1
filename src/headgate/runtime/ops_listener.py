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
        kept: the socket, if a service manager has opened it; ``ops`` has its address then.

    Attributes:
        address: where they listen; ``None``: nowhere.

    Raises:
        HeadgateError: the address that was set cannot be listened on.
    """

    def __init__(
        self, ops: Ops, workers: int, emit: Emit, kept: socket.socket | None = None
    ) -> None:
        self._emit = emit
        self._sockets: dict[int, socket.socket] = {}
        self.address: Endpoint | None = None
        if ops.address is None:
            return
        self._listens = _Address(*ops.address, workers)
        try:
            self._sockets = dict(
                enumerate(
                    listening.bind(self._listens)
                    if kept is None
                    else listening.shared(kept, workers)
                )
            )
        except HeadgateError as error:
            if ops.is_chosen:
                raise HeadgateError(f"ops.listen: {error}") from error
            emit(OpsListenerOff(ops.listen, str(error)))
            return
        self.address = Endpoint(*self._sockets[0].getsockname()[:2])

    def renew(self, worker: int) -> None:
        """Make sure that the socket of a worker listens; without one, it does without."""
        if self.address is None:
            return
        before = self._sockets.pop(worker, None)
        where = _Address(self._listens.host, self.address.port, self._listens.workers)
        try:
            self._sockets[worker] = listening.renewed(before, where)
        except HeadgateError as error:  # clients of the gate shall not wait for that
            self._emit(OpsListenerOff(str(self.address), str(error)))

    def take(self, worker: int) -> socket.socket | None:
        """The socket of a worker, within its process; those of the others are closed."""
        own = self._sockets.pop(worker, None)
        self.close()
        return own

    def close(self) -> None:
        """Close them all."""
        for each in self._sockets.values():
            each.close()
        self._sockets = {}


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
        listener: its socket, bound and not blocking.
        decider: decides on its requests.
        control: the gate's own pages; closed with it.
        proxies: the networks of proxies that must send a PROXY header; by default none.
        account: called with the outcome of each request.
        emit: takes the events.
    """

    def __init__(
        self,
        listener: socket.socket,
        decider: Decider,
        control: Balancer,
        proxies: Sequence[Network] = (),
        *,
        account: Callable[[Outcome], None],
        emit: Emit,
    ) -> None:
        self._listener = listener
        self._control = control
        self._limits = ops_limits()
        self.plane = DataPlane(
            decider, self._limits, time.monotonic, secrets.token_hex(8), account=account, emit=emit
        )
        self.plane.proxy_protocol.networks = proxies
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to serve."""
        self._server = await asyncio.get_running_loop().create_server(
            self._connected, sock=self._listener, backlog=BACKLOG
        )

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
        listening.end(self._listener)
        if self._server is not None:
            self._server.close()
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
