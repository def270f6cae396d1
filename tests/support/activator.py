"""A small service manager: holds a listening socket, starts a gate on it, and takes its messages.

The gate that comes first in line replaces this program's child, as ``systemd`` starts a service:
``LISTEN_PID`` is the gate's own process id, and the sockets have the descriptors from 3 on.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import ServerProcess

SECONDS = 60.0
_START = """
import os, sys
names, *sources = sys.argv[1].split(',')
command = sys.argv[2:]
for place, source in enumerate(map(int, sources)):
    os.dup2(source, 100 + place)
for place in range(len(sources)):
    os.dup2(100 + place, 3 + place)
os.closerange(3 + len(sources), 256)
os.environ.update(
    LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sources)), LISTEN_FDNAMES=names
)
os.execv(command[0], command)
"""


@dataclass
class Notified:
    """The manager's end of ``NOTIFY_SOCKET``; an abstract one unless ``path`` is given."""

    path: Path | None = None
    messages: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"\0headgate-test-{os.getpid()}-{id(self)}" if self.path is None else str(self.path)
        self._socket.bind(name)
        self._socket.settimeout(0.1)
        self.address = name.replace("\0", "@")

    def receive(self) -> None:
        """Take what is there, or wait a moment for it."""
        try:
            data = self._socket.recv(8192)
        except TimeoutError:
            return
        self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def wait_for(self, matches: Callable[[Mapping[str, str]], bool]) -> dict[str, str]:
        """The first message that matches and was not waited for yet; those before are dropped."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            while self.messages:
                if matches(message := self.messages.pop(0)):
                    return message
            self.receive()
        raise AssertionError("no such message")

    def close(self) -> None:
        self._socket.close()


def listening_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket as a socket unit opens it."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    found.listen(4096)
    return found


def activated(
    command: Sequence[str],
    sockets: Mapping[str, socket.socket],
    environment: Mapping[str, str],
    folder: Path,
    name: str = "gate",
) -> ServerProcess:
    """Start ``command`` on the sockets, each under its name; they stay open here."""
    for each in sockets.values():
        each.set_inheritable(True)
    which = ",".join([":".join(sockets), *(str(each.fileno()) for each in sockets.values())])
    return ServerProcess(
        [sys.executable, "-c", _START, which, *command],
        environment,
        folder,
        name,
        descriptors=[each.fileno() for each in sockets.values()],
    )
