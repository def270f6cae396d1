"""What the kernel knows of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
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
