"""The listening sockets, bound before any worker runs."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final, Protocol

from headgate.errors import HeadgateError
from headgate.model import Endpoint

# What every connection inherits: the kernel asks a silent client whether it is there.  One that has
# gone altogether looks as one that has ended only what it sends, until it is asked (tcp(7)).
_KEEP_ALIVE: Final = (
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 30),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 15),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 4),
)


class KeptSocket(socket.socket):
    """A listening socket that a service manager keeps for the next gate.

    All workers listen on it, and none ends it: connections that no worker takes wait in its queue.
    """


class Listens(Protocol):
    """Where to listen."""

    @property
    def host(self) -> str:
        """A host name or an IP address."""
        ...

    @property
    def port(self) -> int:
        """The port; 0: any free one."""
        ...

    @property
    def workers(self) -> int:
        """How many sockets share it."""
        ...

    @property
    def backlog(self) -> int:
        """How many connections the kernel may hold for each."""
        ...


def bind(listen: Listens) -> list[socket.socket]:
    """One listening socket for each worker, all on one port.

    The kernel spreads new connections over them.  The supervisor keeps the sockets open, so that
    connections in the queue of a worker that died wait for the one that replaces it.

    Raises:
        HeadgateError: the address cannot be listened on.
    """
    if listen.workers > 1 and listen.port:
        # Sockets that share a port let any further one of this user join them.
        _bind_one(listen, listen.port, shared=False).close()
    sockets: list[socket.socket] = []
    port = listen.port
    try:
        for _ in range(listen.workers):
            sockets.append(_bind_one(listen, port, shared=listen.workers > 1))
            port = sockets[0].getsockname()[1]
    except HeadgateError:
        for each in sockets:
            each.close()
        raise
    return sockets


def end(listener: socket.socket) -> None:
    """Take no more connections, although other processes have the socket open too.

    The kernel gives those that come then to the other sockets of the port, and refuses them
    when there is none.  One that a service manager keeps goes on: it is only left.
    """
    if isinstance(listener, KeptSocket):
        return
    with contextlib.suppress(OSError):  # it has ended already
        listener.shutdown(socket.SHUT_RDWR)


def shared(kept: socket.socket, workers: int) -> list[socket.socket]:
    """One descriptor for each worker of a socket that all of them listen on.

    ``kept`` itself is closed.
    """
    with kept:
        return [kept.dup() for _ in range(workers)]


def renewed(listener: socket.socket | None, listen: Listens) -> socket.socket:
    """The socket itself while it listens, else a new one in its place, on its port.

    The new one listens only once a worker serves on it: no client may wait for one that may fail.

    Raises:
        HeadgateError: the address cannot be listened on any more.
    """
    port = listen.port
    if listener is not None:
        if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener
        port = listener.getsockname()[1]
        listener.close()
    return _bind_one(listen, port, shared=listen.workers > 1, listens=False)


def keep_alive(listener: socket.socket) -> None:
    """Have the kernel look after connections that ``listener`` will take.

    Raises:
        OSError: it refuses.
    """
    for option, value in _KEEP_ALIVE:
        listener.setsockopt(*option, value)


def _bind_one(listen: Listens, port: int, *, shared: bool, listens: bool = True) -> socket.socket:
    where = Endpoint(listen.host, port)
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            listen.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise HeadgateError(f"cannot listen on {where}: {_cause(error)}") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        keep_alive(listener)
        listener.bind(address)
        if listens:
            listener.listen(listen.backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise HeadgateError(
                f"{where} is taken; stop what listens there, or choose another port"
            ) from error
        raise HeadgateError(f"cannot listen on {where}: {_cause(error)}") from error
    return listener


def _cause(error: OSError | UnicodeError) -> str:
    return getattr(error, "strerror", None) or str(error)
