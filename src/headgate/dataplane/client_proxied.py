"""A connection that must begin with a PROXY header, until that has come.

Then its socket goes on as a ``ClientConnection`` whose client is the one that the header names.
So connections of other listeners pay nothing for it.  Until then it counts for the proxy
(``Admission``), and is in the one stage ``PROXY_HEADER``.
"""

from __future__ import annotations

import asyncio
import math
from typing import cast

from headgate.dataplane.balancer import Balancer
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.connection_states import CLOSED, NEW, PROXY_HEADER, Stage
from headgate.dataplane.decisions import Caller
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import SweptConnection
from headgate.events import TurnedAway
from headgate.net.addresses import plain_peer
from headgate.wire.proxy_header import ProxyHeaderError, ProxyHeaderReader


def accepted(plane: DataPlane) -> ClientConnection | ProxyHeaderConnection:
    """What serves a connection of a listener without TLS that has just been accepted."""
    return (
        ProxyHeaderConnection(plane) if plane.proxy_protocol.networks else ClientConnection(plane)
    )


class ProxyHeaderConnection(SweptConnection, asyncio.Protocol):
    """One TCP connection from a proxy, without TLS.

    Args:
        plane: what all connections share.

    Attributes:
        stage: where it is.
    """

    __slots__ = ("_plane", "_reader", "_transport", "stage")

    def __init__(self, plane: DataPlane) -> None:
        super().__init__("")
        self._plane = plane
        self._reader = ProxyHeaderReader(plane.head_bytes)
        self._transport: asyncio.Transport
        self.stage = PROXY_HEADER

    def _enter(self, stage: Stage) -> None:
        """Leave the stage of the header."""
        self.stage = stage
        self.deadline = math.inf

    # --- called by asyncio -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self._plane
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        address = plain_peer(peer[0]) if peer else "unknown"
        self.caller = Caller(address, "http")
        if not plane.proxy_protocol.takes(address):
            self.abort()
            return
        entered = plane.admission.enter(address)
        if isinstance(entered, TurnedAway):
            self.abort()  # a response would come before what the proxy expects
            return
        self.stranger = entered
        plane.connections[self] = None
        self.deadline = plane.clock() + plane.waits[self.stage.number]

    def data_received(self, data: bytes) -> None:
        plane, reader = self._plane, self._reader
        if self._transport.is_closing() or self.stage is not PROXY_HEADER:
            return
        try:
            used = reader.feed(data)
        except ProxyHeaderError as error:
            plane.proxy_protocol.wrong(error, self.caller.address)
            self.abort()
            return
        if reader.done:
            self._go_on(data[used:])
        else:
            plane.head_grows(self, len(reader))

    def _go_on(self, rest: bytes) -> None:
        """Let the client that the header names be served; ``rest`` is what it has sent."""
        self._enter(NEW)
        transport = self._transport
        client = ClientConnection(self._plane, address=self._reader.source)
        self._plane.hand_on(self)
        transport.set_protocol(client)
        client.connection_made(transport)
        if rest:
            client.data_received(rest)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if len(self._reader) and self.deadline != math.inf:
            self._plane.proxy_protocol.broke_off(self.caller.address)
        self._plane.leave(self)
        self._enter(CLOSED)

    # --- called by the plane: see SweptConnection ------------------------------------------

    @property
    def unread(self) -> bool:
        return False

    @property
    def balancer(self) -> Balancer | None:
        return None

    def writes_to(self, balancer: Balancer) -> bool:  # noqa: ARG002 - the signature of the base
        return False

    def forget(self) -> None:
        pass

    def look(self) -> None:
        pass

    def on_deadline(self, now: float) -> None:  # noqa: ARG002 - the signature of all connections
        plane = self._plane
        plane.proxy_protocol.late(plane.limits.header_timeout, self.caller.address)
        self.abort()

    def on_crowded(self) -> None:
        crowded = "too many headers are sent at once of which only a part has come"
        self._plane.proxy_protocol.wrong(ProxyHeaderError(crowded), self.caller.address)
        self.abort()

    def on_drain(self) -> None:
        self.abort()

    def on_stopped(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.deadline = math.inf
        self._transport.abort()
