"""What the kernel knows of a socket, and is asked to do with it."""

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

DEAD_SECONDS: Final = 80.0
"""How long a peer may take to acknowledge what was sent before it counts as gone."""
# A silent peer is asked after 30 s, and every 15 s, whether it is there; four times (tcp(7)).
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
# struct tcp_info of linux/tcp.h: eight bytes, then numbers of 32 bits.
_TCP_INFO: Final = struct.Struct("=8B13I")
_UNACKED: Final = 8 + 4
_LAST_ACK_MS: Final = 8 + 12


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel ask a silent peer whether it is there, and end the connection if it is not."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family == socket.AF_UNIX:
        return
    with contextlib.suppress(OSError):  # it is closed
        for level, option, value in _KEEP_ALIVE:
            connection.setsockopt(level, option, value)


def is_dead(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer has acknowledged nothing for ``DEAD_SECONDS``, although something was sent.

    The kernel asks a peer whether it is there only while all that was sent is acknowledged; for
    the rest it waits a quarter of an hour.  ``TCP_USER_TIMEOUT`` would shorten that, and end an
    upload too whose receiver takes nothing and says so (a closed window); of such nothing is
    unacknowledged, for nothing is under way.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family == socket.AF_UNIX:
        return False
    with contextlib.suppress(OSError, struct.error):  # it is closed, or the system does not tell
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        info: tuple[int, ...] = _TCP_INFO.unpack(told)
        return info[_UNACKED] > 0 and info[_LAST_ACK_MS] >= DEAD_SECONDS * 1000
    return False


def unacknowledged(transport: asyncio.BaseTransport) -> int:
    """Bytes that the kernel has been given and the peer has not taken; 0 where it does not tell.

    A kernel asks for more only when much of its buffer of megabytes is free (tcp(7), SIOCOUTQ).
    """
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    with contextlib.suppress(OSError, ValueError):  # it is closed, or the system does not tell
        queued = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(queued, sys.byteorder)
    return 0


class PeerState(enum.Enum):
    """Whether the peer of a connection is there, although nothing is read from it."""

    OPEN = enum.auto()
    HALF_CLOSED = enum.auto()
    """It has ended what it sends."""
    GONE = enum.auto()


def peer_state(transport: asyncio.BaseTransport) -> PeerState:
    """Ask the kernel whether the peer has ended its side, or the connection."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return PeerState.OPEN
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # it is closed
        poll.register(connection.fileno(), select.POLLRDHUP)
    for _, found in poll.poll(0):
        is_gone = found & (select.POLLERR | select.POLLHUP)
        return PeerState.GONE if is_gone else PeerState.HALF_CLOSED
    return PeerState.OPEN


def reset_at_close(transport: asyncio.BaseTransport) -> None:
    """Let the peer see a reset when the connection is aborted, instead of an end in order."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # it is closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


NO_DUP: Final = -1


def dup(transport: asyncio.BaseTransport) -> int:
    """A descriptor that keeps what a peer has sent when the transport closes; or ``NO_DUP``.

    uvloop closes a connection as soon as a write fails, read or not.  TLS is left out: what has
    come is of no use there.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or transport.get_extra_info("ssl_object") is not None:
        return NO_DUP
    with contextlib.suppress(OSError):  # no descriptor is left
        return os.dup(connection.fileno())
    return NO_DUP


def close_dup(descriptor: int) -> None:
    """Close what ``dup`` returned."""
    if descriptor != NO_DUP:
        os.close(descriptor)


def read_rest(descriptor: int, most: int) -> bytes:
    """What had come when the transport closed and was not read, up to about ``most`` bytes."""
    parts: list[bytes] = []
    if descriptor != NO_DUP:
        with contextlib.suppress(OSError):  # that was all, or a reset stands behind it
            while most > 0 and (part := os.read(descriptor, READ_BYTES)):
                parts.append(part)
                most -= len(part)
    return b"".join(parts)
