"""A pool whose new connections come when the test says so."""

from __future__ import annotations

import asyncio
from typing import cast

from headgate.config import Limits, Upstream
from headgate.dataplane.connections.pool import Pool, Waiter
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.model import Endpoint
from headgate.testing.clock import ManualClock
from headgate.testing.transport import FakeTransport, Peer, Turns

ENDPOINT = Endpoint("127.0.0.1", 5000)


class Connecting:
    """One connection that was asked for; takes the place of the task that opens it."""

    def __init__(self, pool: ScriptedPool, waiter: Waiter) -> None:
        self._pool = pool
        self._waiter = waiter
        self.cancelled = False

    def cancel(self) -> bool:
        """Take the wish back."""
        self.cancelled = True
        self._pool.pending.remove(self)
        return True

    def succeeds(self) -> Peer:
        """MLflow accepts; returns its end."""
        self._pool.pending.remove(self)
        connection, peer = self._pool.open()
        self._waiter.on_connected(connection)
        return peer

    def fails(self, error: OSError) -> None:
        """The connection cannot be opened."""
        self._pool.pending.remove(self)
        self._waiter.on_connect_failed(self._pool.endpoint, error)


class ScriptedPool(Pool):
    """A ``Pool`` that opens fake connections; ``pending`` are those being opened."""

    def __init__(
        self,
        turns: Turns,
        clock: ManualClock,
        settings: Upstream,
        limits: Limits,
        endpoint: Endpoint = ENDPOINT,
    ) -> None:
        super().__init__(
            endpoint,
            settings,
            host_header=str(endpoint).encode("ascii"),
            authorities=frozenset({str(endpoint)}),
            head_bytes=limits.head_bytes,
            max_fields=limits.headers,
            clock=clock,
        )
        self._turns = turns
        self.pending: list[Connecting] = []
        self.peers: list[Peer] = []

    @property
    def size(self) -> int:
        """Open connections and those being opened."""
        return super().size + len(self.pending)

    @property
    def busy(self) -> int:
        """Connections that serve an exchange, and those being opened for one."""
        return len(self._busy) + len(self.pending)

    @property
    def idle(self) -> int:
        """Connections that are kept for the next request."""
        return len(self._idle)

    def connect(self, waiter: Waiter) -> asyncio.Task[None]:
        """Note the wish for a connection."""
        connecting = Connecting(self, waiter)
        self.pending.append(connecting)
        # No more of a task than its cancel() is used.
        return cast("asyncio.Task[None]", connecting)

    def open(self) -> tuple[UpstreamConnection, Peer]:
        """A new connection, taken, and MLflow's end of it."""
        connection = UpstreamConnection(self, self._head_bytes, self._max_fields)
        peer = Peer(self._turns, FakeTransport(self._turns, connection))
        self._busy[connection] = None
        self.peers.append(peer)
        return connection, peer

    def open_idle(self) -> Peer:
        """A connection that has served before and is kept; returns MLflow's end."""
        connection, peer = self.open()
        connection.reused = True
        connection.give_back()
        return peer
