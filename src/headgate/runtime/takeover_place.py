"""Where a gate and the one that takes over meet: a Unix socket in the data folder.

It is named after the address that the gate listens on, so that several gates can have one data
folder, and so that a gate is only taken over at its own address.  All names are used relative to
the open folder: the path of a Unix socket may have 107 bytes, and that of a folder more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from headgate.errors import HeadgateError
from headgate.model import Endpoint

_PREFIX: Final = "take-over-"
_SOCKET: Final = ".sock"
_LOCK: Final = ".lock"
_BACKLOG: Final = 8
_PATIENCE: Final = 1.0
"""Seconds for which a socket that nobody listens on may become one that somebody does."""
_PAUSE: Final = 0.02


class PlaceTakenError(HeadgateError):
    """Another process is there."""


class Place:
    """The meeting place of the gate at one address.

    Args:
        folder: the data folder, or the one within it that others cannot write.
        address: what the gate listens on.

    Raises:
        OSError: the folder cannot be opened.
    """

    def __init__(self, folder: Path, address: Endpoint) -> None:
        self.folder = folder
        self.address = address
        name = f"{_PREFIX}{address}"
        self._socket, self._lock = name + _SOCKET, name + _LOCK
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def lock(self) -> int:
        """Lock the place for this gate: the descriptor of the lock, to be kept open.

        The kernel lifts the lock when the last process that has the descriptor has ended, so it
        is never stale, and is passed on with the descriptor.

        Raises:
            PlaceTakenError: another gate has it.
            OSError: there can be no lock.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        found = os.open(self._lock, flags, 0o600, dir_fd=self._folder)
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(found)
            if isinstance(error, BlockingIOError):
                raise PlaceTakenError(
                    f"another gate at {self.address} has the data folder {self.folder}"
                ) from None
            raise
        return found

    def listen(self) -> socket.socket:
        """Listen here, in place of a gate that is gone; the caller has the lock.

        The socket comes in place of the one before in one step, and belongs to this user alone.

        Raises:
            OSError: it cannot be made.
        """
        made = f"{self._socket}.{os.getpid()}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made, dir_fd=self._folder)
            listener.bind(self._path(made))
            try:
                os.chmod(self._path(made), 0o600)
                listener.listen(_BACKLOG)
                os.rename(made, self._socket, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except OSError:
                os.unlink(made, dir_fd=self._folder)
                raise
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        return listener

    def connect(self) -> socket.socket:
        """A connection to the gate here.

        Where a gate has just handed over to another one, that one will listen in a moment.

        Raises:
            HeadgateError: there is none.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._connected()
            except ConnectionRefusedError:
                if time.monotonic() >= until:
                    raise HeadgateError(self._nobody()) from None
                time.sleep(_PAUSE)  # noqa: TID251 - no gate runs yet

    def _connected(self) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            channel.connect(self._path(self._socket))
        except OSError as error:
            channel.close()
            if error.errno == errno.ECONNREFUSED:
                raise
            if error.errno == errno.ENOENT:
                raise HeadgateError(self._nobody()) from None
            raise HeadgateError(
                f"the gate at {self.address} cannot be asked to hand over, by its socket in "
                f"{self.folder}: {error.strerror}"
            ) from None
        return channel

    def leave(self) -> None:
        """Remove the socket; the caller has the lock."""
        with contextlib.suppress(OSError):
            os.unlink(self._socket, dir_fd=self._folder)

    def close(self) -> None:
        """Close the folder; a second call does nothing."""
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"

    def _nobody(self) -> str:
        others = [
            name.removeprefix(_PREFIX).removesuffix(_SOCKET)
            for name in sorted(os.listdir(f"/proc/self/fd/{self._folder}"))
            if name.startswith(_PREFIX) and name.endswith(_SOCKET) and name != self._socket
        ]
        there = f" (there may be one at {', '.join(others)})" if others else ""
        return (
            f"no gate at {self.address} with the data folder {self.folder} to take over from"
            f"{there}; a gate is taken over at its own address, and the first one is started "
            "without --take-over"
        )
