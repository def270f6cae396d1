"""The listening sockets, bound before any worker runs."""

from __future__ import annotations

import errno
import socket

from headgate.config import Listen
from headgate.errors import HeadgateError


def bind(listen: Listen) -> list[socket.socket]:
    """One listening socket for each worker, all on one port.

    The kernel spreads new connections over them.  Whoever starts the workers keeps the sockets
    open, so that connections that wait for a worker that died wait for the one that replaces it.

    Raises:
        HeadgateError: the address cannot be listened on.
    """
    sockets: list[socket.socket] = []
    port = listen.port
    for _ in range(listen.workers):
        sockets.append(_bind_one(listen, port))
        port = sockets[0].getsockname()[1]
    return sockets


def _bind_one(listen: Listen, port: int) -> socket.socket:
    where = f"{listen.host}:{port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            listen.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise HeadgateError(f"cannot listen on {where}: {error.strerror}") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listen.workers > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(listen.backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise HeadgateError(
                f"{where} is taken; stop what listens there, or choose another port"
            ) from error
        raise HeadgateError(f"cannot listen on {where}: {error.strerror}") from error
    return listener
