"""Ports for programs that take one as an argument."""

from __future__ import annotations

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment, neither over TCP nor over UDP."""
    while True:
        with (
            socket.socket() as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            stream.bind((host, 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind((host, port))
            except OSError:
                continue  # taken over UDP alone
            return port
