"""What a process holds, as the kernel sees it."""

from __future__ import annotations

import os
import socket
from pathlib import Path


class Resources:
    """Sockets, threads and memory of the process ``pid``; memory in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    @property
    def sockets(self) -> int:
        """How many sockets are open, listening ones included."""
        return sum(self._is_socket(entry) for entry in (self._folder / "fd").iterdir())

    def sockets_to(self, host: str) -> int:
        """How many connections lead to the IPv4 address ``host``, anybody's on this machine."""
        wanted = socket.inet_aton(host)[::-1].hex().upper()
        lines = (self._folder / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
        columns = (line.split() for line in lines)
        return sum(each[2].startswith(f"{wanted}:") and each[3] == "01" for each in columns)

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

    @staticmethod
    def _is_socket(entry: Path) -> bool:
        try:
            return os.readlink(entry).startswith("socket:")
        except FileNotFoundError:  # closed in the meantime
            return False

    def _size(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise ProcessLookupError(f"{self._folder} has no {name}: the process has ended")
