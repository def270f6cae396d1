"""The socket of a client: what is written to it, whether it is read, and whether the client moves.

Nothing here knows of requests; ``ClientConnection`` is built on it.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from typing import Final

from headgate.config import Limits
from headgate.dataplane.decisions import Caller
from headgate.dataplane.ports import ClientSide
from headgate.dataplane.sockets import PeerState, peer_state, reset_at_close, unacknowledged
from headgate.net.addresses import plain_peer

WRITE_HIGH_WATER: Final = 128 * 1024
"""Response bytes waiting for the client before MLflow's side is asked to pause."""


class ClientSocket(ClientSide):
    """What a client connection is made on.

    Args:
        scheme: ``http`` or ``https``.
        stranger: see ``SweptConnection``.
        address: the client's, if it is not that of the connection.

    Attributes:
        transport: asyncio's, once the connection is made.
        half_closed: the client has ended what it sends.
    """

    __slots__ = ("_address", "_paused", "_scheme", "_unsent", "half_closed", "transport")

    def __init__(self, scheme: str, stranger: str, address: str) -> None:
        super().__init__(stranger)
        self._address = address
        self._scheme = scheme
        self._paused = False
        self._unsent = math.inf
        self.half_closed = False
        self.transport: asyncio.Transport

    def _open(self, transport: asyncio.Transport) -> None:
        """The connection is made."""
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        address = self._address
        if not address:
            peer = transport.get_extra_info("peername")
            address = plain_peer(peer[0]) if peer else "unknown"
        self.caller = Caller(address, self._scheme)

    def write(self, data: bytes) -> None:
        """Send a part of the response."""
        if not self.transport.is_closing():
            self.transport.write(data)

    @property
    def has_all(self) -> bool:
        """See ``ClientSide``."""
        transport = self.transport
        if transport.is_closing() or transport.get_write_buffer_size():
            return False
        # A client that has left acknowledges nothing any more, and its kernel says so.
        peer = peer_state(transport)
        return peer is PeerState.OPEN or (
            peer is PeerState.HALF_CLOSED and unacknowledged(transport) == 0
        )

    @property
    def may_have_left(self) -> bool:
        """See ``ClientSide``."""
        return self.half_closed or peer_state(self.transport) is not PeerState.OPEN

    def abort(self) -> None:
        """Cut the connection, so that the client cannot take a broken response for a whole one.

        To HTTP/1.0 a connection that ends in order may be the end of a response.
        """
        reset_at_close(self.transport)
        self.transport.abort()

    @property
    def unread(self) -> bool:
        """Whether nothing is read from the client, so that asyncio does not say when it leaves."""
        return self._paused or self.half_closed

    def look(self) -> None:
        """Find out whether the client has left."""
        if self.transport.is_closing():
            return
        ended = peer_state(self.transport)
        if ended is PeerState.GONE:
            self.transport.abort()
        elif ended is not PeerState.OPEN and not self.half_closed and self._may_read():
            # The end stands behind the rest, which is read for it: there will never be more.
            self._paused = False
            self.transport.resume_reading()

    @abstractmethod
    def _may_read(self) -> bool:
        """Whether more of what the client sends can be held."""

    def _is_reading(self, waiting: int, now: float, limits: Limits) -> bool:
        """Whether the client took enough of the response that waits for it; then it goes on.

        Args:
            waiting: bytes that the kernel has not taken yet.
            now: on the plane's clock.
            limits: say how much is enough.
        """
        unsent = float(waiting + unacknowledged(self.transport))
        if self._unsent - unsent >= least_moved(limits):  # slow, but it moves
            self._unsent = unsent
            self.deadline = now + limits.body_timeout
            return True
        return False


def least_moved(limits: Limits) -> float:
    """Bytes of a body that must have moved after ``body_timeout``."""
    return max(1.0, limits.min_body_rate * limits.body_timeout)
