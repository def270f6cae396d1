"""The listening sockets of one address, and which worker accepts on which of them.

Usually each worker has one.  A gate that takes over may have more or fewer workers than sockets:
a worker may accept on several, so that no queue is without a reader, and workers without a socket
get one of their own on the same port.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Self

from headgate.model import Endpoint
from headgate.runtime import listener as listening
from headgate.runtime.listener import KeptSocket, Listens


class Listeners:
    """Made before the workers are forked.

    Args:
        listen: the address.
        of_workers: the sockets of each worker; there is one at least.

    Attributes:
        address: where they listen.
    """

    def __init__(self, listen: Listens, of_workers: Sequence[Sequence[socket.socket]]) -> None:
        self._listen = listen
        self._of_workers = [list(each) for each in of_workers]
        first = next(each for sockets in self._of_workers for each in sockets)
        self.address = Endpoint(*first.getsockname()[:2])
        self._is_shared = bool(first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))

    @classmethod
    def bound(cls, listen: Listens) -> Self:
        """New ones.

        Raises:
            HeadgateError: the address cannot be listened on.
        """
        return cls(listen, [[each] for each in listening.bind(listen)])

    @classmethod
    def passed(cls, listen: Listens, sockets: Sequence[socket.socket]) -> Self:
        """Those that a service manager or another gate has opened; they are owned here.

        Raises:
            HeadgateError: there are too few, and no more can be opened.
        """
        workers = listen.workers
        if isinstance(sockets[0], KeptSocket):
            return cls(listen, [[each] for each in listening.shared(sockets[0], workers)])
        of_workers = [list(sockets[number::workers]) for number in range(workers)]
        missing = [each for each in of_workers if not each]
        if missing:
            # One socket alone was bound without it; others may join once it has it.
            for each in sockets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = sockets[0].getsockname()[1]
            for own in missing:
                own.append(listening.another(listen, port, shared=True))
        return cls(listen, of_workers)

    def renew(self, worker: int) -> None:
        """Make sure that a worker has a socket.

        One that was shut down is replaced; its queue is lost already.

        Raises:
            HeadgateError: the address cannot be listened on any more.
        """
        own = self._of_workers[worker]
        for each in [each for each in own if not listening.listens(each)]:
            own.remove(each)
            each.close()
        if not own:
            own.append(listening.another(self._listen, self.address.port, shared=self._is_shared))

    def take(self, worker: int) -> tuple[socket.socket, ...]:
        """The sockets of a worker, within its process; those of the others are closed."""
        own = tuple(self._of_workers[worker])
        self._of_workers[worker] = []
        self.close()
        return own

    def to_pass_on(self) -> list[socket.socket]:
        """Those that another gate can accept on; they stay owned here."""
        found = [each for own in self._of_workers for each in own if listening.listens(each)]
        # Of a kept one each worker has a descriptor of its own.
        return found[:1] if self.is_kept else found

    @property
    def is_kept(self) -> bool:
        """Whether a service manager keeps the socket."""
        return any(isinstance(each, KeptSocket) for own in self._of_workers for each in own)

    def close(self) -> None:
        """Close them all."""
        for own in self._of_workers:
            for each in own:
                each.close()
            own.clear()
