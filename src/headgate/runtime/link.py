"""What joins a worker process to its supervisor: messages, what it leaves behind, its raw output.

Everything here lies in memory that the kernel keeps, so that a disk that is full or gone matters
to no worker that dies or starts.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

SERVES: Final = b"s"
CANNOT: Final = b"c"
KEEPS: Final = b"k"
RELOADED: Final = b"r"
PREPARED: Final = b"p"
MESSAGE_BYTES: Final = 4096
"""Longest message; what exceeds it is cut off."""
OUTPUT_BYTES: Final = 64 * 1024
"""How much of a worker's raw output is remembered."""


class Kept:
    """What the workers of one gate leave to those that replace them, by kind.

    Each thing is a file in memory that is written before it is handed over, so a worker that is
    killed while it writes one leaves the one before.  Afterwards it is never changed, or only in
    such a way that a reader can tell what is whole (``headgate.runtime.handover``).

    Args:
        files: what the gate before has passed on, by kind; they are owned here.
    """

    def __init__(self, files: Mapping[str, int] | None = None) -> None:
        self._files: dict[str, int] = dict(files or {})

    def replace(self, kind: str, file: int) -> None:
        """Keep ``file``, a file descriptor, in place of what was kept before."""
        if (before := self._files.get(kind)) is not None:
            os.close(before)
        self._files[kind] = file

    def files(self) -> dict[str, int]:
        """The files by kind; they stay owned here."""
        return dict(self._files)

    def read(self, kind: str) -> bytes | None:
        """What was kept last; ``None``: nothing yet."""
        file = self._files.get(kind)
        return None if file is None else os.pread(file, os.fstat(file).st_size, 0)

    def close(self) -> None:
        """Forget everything."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()


@dataclass(slots=True)
class Link:
    """A worker's end.

    ``number``: which worker this is, from 0; one that replaces another has its number.
    ``lifeline``: a file descriptor that becomes readable when the supervisor is gone.
    ``replaces``: whether another worker served under this number before.
    ``output``: a file descriptor for raw text, such as stack traces; the supervisor logs it.
    """

    number: int
    lifeline: int
    replaces: bool
    output: int
    _channel: socket.socket
    _kept: Kept
    _beat: Callable[[int], None]
    _beats: int = 0
    _unsent: dict[str, int] = field(default_factory=dict)

    def prepared(self) -> None:
        """Say that this worker could accept connections, and waits until it may."""
        self._channel.send(PREPARED)

    def ready(self) -> None:
        """Say that this worker serves."""
        self._channel.send(SERVES)

    def cannot(self, why: str) -> None:
        """Say why this worker cannot start."""
        self._channel.send((CANNOT + why.encode())[:MESSAGE_BYTES])

    def reloaded(self, refused: str) -> None:
        """Say that the configuration was read again, and why it is not in force if so."""
        with contextlib.suppress(OSError):  # the supervisor is busy or gone: nothing depends on it
            message = (RELOADED + refused.encode())[:MESSAGE_BYTES]
            self._channel.send(message, socket.MSG_DONTWAIT)

    def beat(self) -> None:
        """Say that the event loop lives; to be called twice a second from the first call on."""
        self._beats += 1
        self._beat(self._beats)
        for kind in tuple(self._unsent):
            self._send(kind)

    def rest(self) -> None:
        """Say that the event loop has ended in order: it is no longer to be watched."""
        self._beat(0)

    def kept(self, kind: str) -> bytes | None:
        """What the worker before this one, or another, has left."""
        return self._kept.read(kind)

    def keep(self, kind: str, content: bytes) -> None:
        """Leave ``content`` to workers that start later; never waits."""
        file = memory_file(kind)
        with open(file, "wb", closefd=False) as stream:
            stream.write(content)
        self.keep_file(kind, file)

    def keep_file(self, kind: str, file: int) -> None:
        """The same with a file in memory, a file descriptor that is closed once it is left."""
        if (older := self._unsent.pop(kind, None)) is not None:
            os.close(older)
        self._unsent[kind] = file
        self._send(kind)

    def _send(self, kind: str) -> None:
        """Hand over a file; while the supervisor takes nothing, again at the next beat."""
        rights = array.array("i", [self._unsent[kind]])
        try:
            self._channel.sendmsg(
                [KEEPS + kind.encode()],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
                socket.MSG_DONTWAIT,
            )
        except BlockingIOError:
            return
        except OSError:  # the supervisor is gone
            pass
        os.close(self._unsent.pop(kind))


def memory_file(kind: str) -> int:
    """A new file in memory, as a file descriptor; ``kind`` is for people."""
    return os.memfd_create(f"headgate-{kind}", os.MFD_CLOEXEC)


class Ends:
    """The supervisor's ends of one worker's link, and for a moment the worker's."""

    def __init__(self) -> None:
        self.channel, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.output, self.their_output = os.pipe()
        self.channel.setblocking(False)
        os.set_blocking(self.output, False)
        os.set_blocking(self.their_output, False)  # who writes it serves clients

    def close_theirs(self) -> None:
        """Leave the worker's ends to the worker."""
        self.theirs.close()
        os.close(self.their_output)

    def close(self) -> None:
        """Close the supervisor's ends."""
        self.channel.close()
        os.close(self.output)

    def receive(self) -> tuple[bytes, int | None] | None:
        """The next message and the file that came with it; ``None``: there is none now.

        An empty message: there will never be one.
        """
        with contextlib.suppress(BlockingIOError):
            message, files, _, _ = socket.recv_fds(
                self.channel, MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
            return message, _regular(files)
        return None

    def read_output(self) -> bytes:
        """What the worker has written since the last call."""
        found = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.output, OUTPUT_BYTES):
                found = (found + piece)[-OUTPUT_BYTES:]
        return found


def _regular(files: list[int]) -> int | None:
    """The file that was received, if it is one that can be read at any place."""
    for file in files:
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
    return None
