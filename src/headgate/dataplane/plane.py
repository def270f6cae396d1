"""What all connections of one worker share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from headgate.config import Limits
from headgate.dataplane.gate import Gate

if TYPE_CHECKING:
    from headgate.dataplane.client import ClientConnection

log = logging.getLogger("headgate.dataplane")


class Plane:
    """The data plane of one worker: its limits, its clock and its client connections.

    Args:
        gate: decides on requests.
        limits: bounds on heads, bodies and waiting.
        clock: seconds from an arbitrary start, never going back.
        id_seed: 16 hexadecimal digits, unique to this worker; request ids begin with them.
    """

    def __init__(
        self, gate: Gate, limits: Limits, clock: Callable[[], float], id_seed: str
    ) -> None:
        self.gate = gate
        self.limits = limits
        self.clock = clock
        self.connections: set[ClientConnection] = set()
        self.draining = False
        self.emptied = asyncio.Event()
        self._id_seed = id_seed.encode("ascii")
        self._ids = 0

    def next_request_id(self) -> bytes:
        """An id that no other request of this installation bears."""
        self._ids += 1
        return b"%b%08x" % (self._id_seed, self._ids)

    def sweep(self) -> None:
        """End the waits that have lasted too long; called about once a second.

        One pass over all connections costs less than a timer for each request would.
        """
        now = self.clock()
        for connection in tuple(self.connections):
            if connection.deadline <= now:
                connection.on_deadline(now)

    def leave(self, connection: ClientConnection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.emptied.set()

    def drain(self) -> None:
        """Let running requests finish, close the rest, keep no connection alive.

        ``emptied`` is set once no connection is left.
        """
        self.draining = True
        if not self.connections:
            self.emptied.set()
        for connection in tuple(self.connections):
            connection.on_drain()

    def abort(self) -> None:
        """Cut every client connection."""
        for connection in tuple(self.connections):
            connection.abort()
