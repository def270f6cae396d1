"""What the kernel knows of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import select
import socket
import struct
import sys
import termios


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


def has_left(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer has ended what it sends, or the connection, although nothing is read."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return False
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # it is closed
        poll.register(connection.fileno(), select.POLLRDHUP)  # errors and resets are always told
    return bool(poll.poll(0))


def reset_at_close(transport: asyncio.BaseTransport) -> None:
    """Let the peer see a reset when the connection is aborted, instead of an end in order."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # it is closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
