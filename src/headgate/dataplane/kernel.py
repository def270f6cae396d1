"""What the kernel knows of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from typing import Final

READ_BYTES: Final = 64 * 1024


def unacknowledged(transport: asyncio.BaseTransport) -> int:
    """Bytes that the kernel has been given and the peer has not taken; 0 where it does not tell.

    A kernel asks for more only when much of its buffer of megabytes is free (tcp(7), SIOCOUTQ).
    """
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    with contextlib.suppress(OSError, ValueError):  # it is closed, or the system does not tell
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)
    return 0


class Left(enum.Enum):
    """What the peer of a connection has ended, although nothing is read from it."""

    NOTHING = enum.auto()
    SENDING = enum.auto()
    ALL = enum.auto()


def left(transport: asyncio.BaseTransport) -> Left:
    """Find out what the peer has ended."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return Left.NOTHING
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # it is closed
        poll.register(connection.fileno(), select.POLLRDHUP)
    for _, found in poll.poll(0):
        return Left.ALL if found & (select.POLLERR | select.POLLHUP) else Left.SENDING
    return Left.NOTHING


def reset_at_close(transport: asyncio.BaseTransport) -> None:
    """Let the peer see a reset when the connection is aborted, instead of an end in order."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # it is closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


NO_HOLD: Final = -1


def hold(transport: asyncio.BaseTransport) -> int:
    """A descriptor that keeps what a peer has sent when the transport closes; or ``NO_HOLD``.

    uvloop closes a connection as soon as a write fails, read or not.  TLS is left out: what has
    come is of no use there.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or transport.get_extra_info("ssl_object") is not None:
        return NO_HOLD
    with contextlib.suppress(OSError):  # no descriptor is left
        return os.dup(connection.fileno())
    return NO_HOLD


def let_go(descriptor: int) -> None:
    """Close what ``hold`` returned."""
    if descriptor != NO_HOLD:
        os.close(descriptor)


def unread(descriptor: int, most: int) -> bytes:
    """What had come when the transport closed and was not read, up to about ``most`` bytes."""
    parts: list[bytes] = []
    if descriptor != NO_HOLD:
        with contextlib.suppress(OSError):  # that was all, or a reset stands behind it
            while most > 0 and (part := os.read(descriptor, READ_BYTES)):
                parts.append(part)
                most -= len(part)
    return b"".join(parts)
