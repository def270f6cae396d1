"""Listening sockets that a service manager has opened: sd_listen_fds(3) without a library.

The manager, such as systemd, keeps the socket while the gate is restarted: connections that come
meanwhile wait in the queue of the socket, and none is refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from headgate.errors import HeadgateError
from headgate.model import Endpoint
from headgate.runtime.listener import KeptSocket, keep_alive

FIRST: Final = 3
"""The first descriptor that is passed on (``SD_LISTEN_FDS_START``)."""
CLIENTS: Final = "headgate"
OPS: Final = "ops"
_NAMES: Final = {CLIENTS: CLIENTS, OPS: OPS, "headgate-ops": OPS}
"""What ``FileDescriptorName=`` may be; without it, it is the name of the socket unit."""
_UNNAMED: Final = frozenset({"", "unknown"})
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_MOST: Final = 2


@dataclass(frozen=True, slots=True)
class Inherited:
    """The sockets that the gate was given; ``None``: the gate opens it itself.

    Attributes:
        clients: for clients.
        ops: for operators.
    """

    clients: socket.socket | None = None
    ops: socket.socket | None = None

    @classmethod
    def from_environment(
        cls, environment: MutableMapping[str, str], first: int = FIRST
    ) -> Inherited:
        """Those that the environment names.

        The variables are removed: programs that the gate starts get none of the sockets.

        Raises:
            HeadgateError: a descriptor is not what the gate can listen on.
        """
        pid, count, names, _ = (environment.pop(each, "") for each in _VARIABLES)
        if not count or pid != str(os.getpid()):
            return cls()  # none, or for the process that has started this one
        if not (count.isascii() and count.isdigit()):
            raise HeadgateError(f"LISTEN_FDS is {count!r}, not a number of sockets")
        number = int(count)
        if number > _MOST:
            raise HeadgateError(
                f"the service manager passes {number} sockets; the gate takes one named "
                f"{CLIENTS!r} and one named {OPS!r} (ListenStream= once in each socket unit)"
            )
        purposes = _names(number, names)
        for name in purposes:
            if purposes.count(name) > 1:
                raise HeadgateError(
                    f"the service manager passes two sockets named {name!r}; the gate takes one "
                    "(ListenStream= once in the socket unit)"
                )
        found = {name: _listening(first + n, name) for n, name in enumerate(purposes)}
        return cls(found.get(CLIENTS), found.get(OPS))

    def settings(self) -> dict[str, str | int]:
        """The settings that follow from the sockets, by their dotted paths."""
        found: dict[str, str | int] = {}
        if self.clients is not None:
            found["listen.host"], found["listen.port"] = self.clients.getsockname()[:2]
        if self.ops is not None:
            found["ops.listen"] = str(Endpoint(*self.ops.getsockname()[:2]))
        return found


def _names(count: int, given: str) -> list[str]:
    """What each socket is for.

    Raises:
        HeadgateError: a name says nothing to the gate.
    """
    names = given.split(":") if given else [""] * count
    if len(names) != count:
        raise HeadgateError(f"LISTEN_FDNAMES has {len(names)} names for {count} sockets")
    if count == 1 and names[0] in _UNNAMED:
        return [CLIENTS]
    purposes = []
    for name in names:
        purpose = _NAMES.get(name.removesuffix(".socket"))
        if purpose is None:
            raise HeadgateError(
                f"the service manager passes a socket named {name!r}; the gate knows "
                f"{CLIENTS!r} and {OPS!r} (FileDescriptorName= in the socket unit)"
            )
        purposes.append(purpose)
    return purposes


def _listening(descriptor: int, name: str) -> socket.socket:
    """The socket, for this process alone.

    Raises:
        HeadgateError: it is no listening TCP socket.
    """
    what = f"the service manager passes descriptor {descriptor} as socket {name!r}"
    cure = "use ListenStream=PORT or HOST:PORT, and Accept=no, in the socket unit"
    try:
        found = KeptSocket(fileno=descriptor)
    except OSError as error:
        raise HeadgateError(f"{what}, which is no socket ({error.strerror}); {cure}") from error
    is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
    if not is_tcp or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()  # it is not ours
        raise HeadgateError(f"{what}, which is no listening TCP socket; {cure}")
    os.set_inheritable(descriptor, False)
    found.setblocking(False)
    keep_alive(found)
    return found
