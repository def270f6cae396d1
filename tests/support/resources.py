"""What a process holds, as the kernel sees it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path


class Resources:
    """Sockets, threads and memory of the process ``pid``; memory in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    @property
    def sockets(self) -> int:
        """How many sockets are open, listening ones included."""
        return sum(each.startswith("socket:") for each in self._open_files())

    def sockets_to(self, host: str) -> int:
        """How many of its connections lead to the IPv4 address ``host``."""
        own = frozenset(self._open_files())
        wanted = socket.inet_aton(host)[::-1].hex().upper()
        lines = (self._folder / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
        columns = (line.split() for line in lines)
        return sum(
            each[2].startswith(f"{wanted}:") and each[3] == "01" and f"socket:[{each[9]}]" in own
            for each in columns
        )

    @property
    def threads(self) -> int:
        """How many threads run."""
        return len(list((self._folder / "task").iterdir()))

    @property
    def resident(self) -> int:
        """Memory in use."""
        return self._size("VmRSS")

    @property
    def peak(self) -> int:
        """The most memory ever in use, or since ``forget_peak``."""
        return self._size("VmHWM")

    def forget_peak(self) -> None:
        """Let ``peak`` count from now on (proc(5), clear_refs)."""
        (self._folder / "clear_refs").write_text("5")

    def _open_files(self) -> Iterator[str]:
        """What each descriptor stands for, such as ``socket:[12345]``."""
        for entry in (self._folder / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed in the meantime
                yield os.readlink(entry)

    def _size(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise ProcessLookupError(f"{self._folder} has no {name}: the process has ended")
