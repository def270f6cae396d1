"""Addresses in text form, and free ports."""

from __future__ import annotations

import errno
import socket

from headgate.errors import HeadgateError

PORTS_TRIED = 100


def split(text: str) -> tuple[str, str] | None:
    """Host and port of ``HOST:PORT`` or ``[HOST]:PORT``; ``None`` if it is neither."""
    host, _, port = text.rpartition(":")
    if not host or not port:
        return None
    return host.removeprefix("[").removesuffix("]"), port


def url(host: str, port: int, scheme: str = "http") -> str:
    """The URL of an address; an IPv6 address is put in brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def bind_problem(host: str, port: int) -> str | None:
    """Why the gate cannot listen on the IPv4 address ``host`` at ``port``; ``None`` if it can."""
    with socket.socket() as probe:
        # A port with connections in TIME_WAIT is free; a port with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is in use"
            return f"cannot be used: {(error.strerror or str(error)).lower()}"
        return None


def next_free_port(host: str, first: int) -> int:
    """The first free port of ``host`` from ``first`` on.

    Raises:
        HeadgateError: a hundred ports in a row are in use.
    """
    for port in range(first, first + PORTS_TRIED):
        if bind_problem(host, port) is None:
            return port
    raise HeadgateError(
        f"the ports {first} to {first + PORTS_TRIED - 1} of {host} are all in use; "
        "choose another with --port"
    )


def free_port(host: str) -> int:
    """A free port of ``host``, chosen by the system."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
