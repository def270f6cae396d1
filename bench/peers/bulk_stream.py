"""Many bytes through a socket at next to no cost for the side that is not measured."""

from __future__ import annotations

import os
import socket

BLOCK = 1024 * 1024
_CONTENT = 64 * BLOCK


def memory() -> int:
    """A file in memory with content to send; its descriptor is the caller's to close."""
    file = os.memfd_create("bench")
    block = os.urandom(BLOCK)
    for _ in range(_CONTENT // BLOCK):
        os.write(file, block)
    return file


def send(connection: socket.socket, file: int, size: int) -> None:
    """Send ``size`` bytes from ``file`` (see ``memory``), which the kernel does not copy."""
    sent = 0
    while sent < size:
        start = sent % _CONTENT
        sent += os.sendfile(connection.fileno(), file, start, min(_CONTENT - start, size - sent))


def discard(connection: socket.socket, size: int) -> None:
    """Read ``size`` bytes, which the kernel throws away (MSG_TRUNC, tcp(7)).

    Raises:
        ConnectionError: the peer closes before.
    """
    buffer = bytearray(BLOCK)
    while size > 0:
        got = connection.recv_into(buffer, min(size, BLOCK), socket.MSG_TRUNC)
        if not got:
            raise ConnectionError(f"closed with {size} bytes to come")
        size -= got
