"""Processes of this machine, with their connections, as Linux says it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow.records import Writer

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")


def family_of(pid: int) -> set[int]:
    """A process and all that descend from it; empty if there is none."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        children = _children(each)
        if children is None:
            continue
        found.add(each)
        waiting += children
    return found


def _children(pid: int) -> list[int] | None:
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    for thread in threads:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
            found += map(int, text.split())
    return found


def not_of(pids: Collection[int], writers: Sequence[Writer]) -> list[Writer]:
    """The writers that are none of these processes.

    A connection through a socket of the file system says neither; it counts as one of them.
    """
    ports = _ports_of(pids)
    return [
        each
        for each in writers
        if (each.pid and each.pid not in pids) or (each.address and each.port not in ports)
    ]


def _ports_of(pids: Iterable[int]) -> set[int]:
    """The local ports of the TCP connections of processes."""
    inodes = {inode for pid in pids for inode in _sockets_of(pid)}
    found = set()
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def _sockets_of(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for each in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{each}")
                if target.startswith("socket:["):
                    found.append(target[8:-1])
    return found
