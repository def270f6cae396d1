"""Ports for programs that take one as an argument."""

from __future__ import annotations

import errno
import random
import socket
import sys
from typing import Final

# Below those that the kernel gives to connections and to listeners that ask for any (from 32768
# on Linux), so that none of them takes the port before the program listens.
_RANGE: Final = range(20_000, 32_000)
_ANY: Final = random.SystemRandom()  # processes side by side have one seed


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on, over TCP or UDP, and that no other test is given."""
    while True:
        port = _ANY.choice(_RANGE)
        if reserve(port) and _is_free(host, port):
            return port


def reserve(port: int) -> bool:
    """Keep a port from the tests of other processes until this one ends; whether it could.

    By a name that the kernel lets one socket of the machine have, and that leaves no file.
    """
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if not _binds(mark, f"\0headgate-test-port-{port}"):
        mark.close()
        return False
    mark.detach()  # stays open for as long as this process runs
    return True


def _is_free(host: str, port: int) -> bool:
    with (
        socket.socket() as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        return _binds(stream, (host, port)) and _binds(datagrams, (host, port))


def _binds(unbound: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        unbound.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True
