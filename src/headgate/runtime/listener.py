"""The listening sockets, bound before any worker runs."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Any, Final, Protocol

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


def end(listener: socket.socket, *, passed_on: bool = False) -> None:
    """Take no more connections, although other processes have the socket open too.

    The kernel gives those that come then to the other sockets of the port, and refuses them
    when there is none.  One that a service manager keeps, or another gate has
    (``passed_on``), goes on: it is only left.
    """
    if passed_on or isinstance(listener, KeptSocket):
        return
    with contextlib.suppress(OSError):  # it has ended already
        listener.shutdown(socket.SHUT_RDWR)


def shared(kept: socket.socket, workers: int) -> list[socket.socket]:
    """One descriptor for each worker of a socket that all of them listen on.

    ``kept`` itself is closed.
    """
    with kept:
        return [kept.dup() for _ in range(workers)]


def listens(listener: socket.socket) -> bool:
    """Whether connections can come there; one that was ended does not any more."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def another(listen: Listens, port: int, *, shared: bool) -> socket.socket:
    """One more socket on ``port``, which is ``shared`` with others or not.

    It listens only once a worker serves on it: no client may wait for one that may fail.

    Raises:
        HeadgateError: the address cannot be listened on any more.
    """
    return _bind_one(listen, port, shared=shared, listens=False)


def resolved(host: str, port: int) -> Endpoint:
    """The address that sockets have which are bound there.

    Raises:
        HeadgateError: the host has none.
    """
    address = _address(host, port)[-1]
    return Endpoint(*address[:2])


def keep_alive(listener: socket.socket) -> None:
    """Have the kernel look after connections that ``listener`` will take.

    Raises:
        OSError: it refuses.
    """
    for option, value in _KEEP_ALIVE:
        listener.setsockopt(*option, value)


def _bind_one(listen: Listens, port: int, *, shared: bool, listens: bool = True) -> socket.socket:
    where = Endpoint(listen.host, port)
    family, kind, proto, address = _address(listen.host, port)
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


def _address(host: str, port: int) -> tuple[int, int, int, Any]:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        where = Endpoint(host, port)
        raise HeadgateError(f"cannot listen on {where}: {_cause(error)}") from error
    return family, kind, proto, address


def _cause(error: OSError | UnicodeError) -> str:
    return getattr(error, "strerror", None) or str(error)
