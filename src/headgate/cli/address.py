"""Addresses as people write and read them, and ports that are free."""

from __future__ import annotations

import errno
import socket

from headgate.errors import HeadgateError

PORTS_TRIED = 100


def split(text: str) -> tuple[str, str] | None:
    """Host and port of ``HOST:PORT`` or ``[HOST]:PORT``; ``None`` when it is neither."""
    host, _, port = text.rpartition(":")
    if not host or not port:
        return None
    return host.removeprefix("[").removesuffix("]"), port


def url(host: str, port: int, scheme: str = "http") -> str:
    """The URL of an address; an IPv6 address gets its brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def bind_problem(host: str, port: int) -> str | None:
    """Why the IPv4 address ``host`` cannot be listened on at ``port`` now; ``None``: it can."""
    with socket.socket() as probe:
        # A port whose last connections linger in TIME_WAIT is free; a listener still refuses us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken"
            return f"cannot be used: {(error.strerror or str(error)).lower()}"
        return None


def next_free_port(host: str, first: int) -> int:
    """The first free port of ``host`` from ``first`` on.

    Raises:
        HeadgateError: a hundred ports in a row are taken.
    """
    for port in range(first, first + PORTS_TRIED):
        if bind_problem(host, port) is None:
            return port
    raise HeadgateError(
        f"the ports {first} to {first + PORTS_TRIED - 1} of {host} are all taken; "
        "name one with --port"
    )


def free_port(host: str) -> int:
    """A port of ``host`` that the system picks among the free ones."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
