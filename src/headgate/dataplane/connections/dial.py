"""The ways to open a connection to an endpoint."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.model import Endpoint


class Dial(Protocol):
    """Opens one connection to an endpoint."""

    async def __call__(
        self, endpoint: Endpoint, make: Callable[[], UpstreamConnection]
    ) -> UpstreamConnection:
        """Connect and return the protocol that ``make`` made.

        Raises:
            OSError: when no connection can be opened; ``ssl.SSLError`` is one.
        """


async def dial_tcp(
    endpoint: Endpoint, make: Callable[[], UpstreamConnection]
) -> UpstreamConnection:
    """Connect over plain TCP."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(make, endpoint.host, endpoint.port)
    return connection


def tls_dial(context: ssl.SSLContext, name_of: Callable[[Endpoint], str]) -> Dial:
    """Connect over TLS; the certificate must bear what ``name_of`` says of the endpoint."""

    async def dial(
        endpoint: Endpoint, make: Callable[[], UpstreamConnection]
    ) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            make,
            endpoint.host,
            endpoint.port,
            ssl=context,
            server_hostname=name_of(endpoint),
        )
        return connection

    return dial


def pair_dial(accept: Callable[[], asyncio.Protocol]) -> Dial:
    """Connect to a server in this process; the endpoint is only a name.

    ``accept`` makes the protocol of each connection at the server's end.  No address is needed
    for it, so it cannot be reached by another process, nor taken away by one.
    """

    async def dial(
        endpoint: Endpoint,  # noqa: ARG001 - the signature is Dial's
        make: Callable[[], UpstreamConnection],
    ) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            await loop.connect_accepted_socket(accept, theirs)
            _, connection = await loop.create_connection(make, sock=ours)
        except BaseException:  # cancelled or failed, neither end may stay open
            ours.close()
            theirs.close()
            raise
        return connection

    return dial
