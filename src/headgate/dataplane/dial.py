"""The ways to open a connection to an endpoint."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from headgate.model import Endpoint

if TYPE_CHECKING:
    from headgate.dataplane.upstream import UpstreamConnection


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


def unix_dial(path: str) -> Dial:
    """Connect to a unix socket; the endpoint is only a name."""

    async def dial(
        endpoint: Endpoint,  # noqa: ARG001 - the signature is Dial's
        make: Callable[[], UpstreamConnection],
    ) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(make, path)
        return connection

    return dial
