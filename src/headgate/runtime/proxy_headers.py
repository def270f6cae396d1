"""Reads the PROXY header of a connection whose TLS handshake comes next.

The bytes of the handshake are left in the socket, for asyncio gives the socket to OpenSSL.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from headgate.dataplane.plane import DataPlane
from headgate.tasks import FairTimeout
from headgate.wire.proxy_header import ProxyHeaderError, ProxyHeaderReader

READ_BYTES: Final = 4096


async def read_proxy_header(connection: socket.socket, plane: DataPlane, proxy: str) -> str:
    """The address of the client; empty if there was no valid header, which is counted.

    Args:
        connection: a socket that does not block, from which nothing has been read.
        plane: has the limits and counts what is refused.
        proxy: the address at the other end of the connection.
    """
    reader = ProxyHeaderReader(plane.head_bytes)
    seconds = plane.limits.header_timeout
    try:
        async with FairTimeout(seconds):
            while not reader.done:
                seen = await peek(connection, READ_BYTES)
                if not seen:
                    raise ConnectionError
                connection.recv(reader.feed(seen))
    except ProxyHeaderError as error:
        plane.proxy_protocol.wrong(error, proxy)
    except TimeoutError:
        plane.proxy_protocol.late(seconds, proxy)
    except OSError:
        if len(reader):  # a balancer that only looks whether the port is open does no wrong
            plane.proxy_protocol.broke_off(proxy)
    else:
        return reader.source or proxy
    return ""


async def peek(connection: socket.socket, most: int) -> bytes:
    """Wait for what the other end sends, which stays to be read; empty if it leaves instead.

    Raises:
        OSError: the connection broke.
    """
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection.fileno(), _wake, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv(most, socket.MSG_PEEK)


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
