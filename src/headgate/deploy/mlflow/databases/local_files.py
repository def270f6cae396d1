"""Where a file is, and who has it open, as Linux says it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow.records import Writer

_REMOTE: Final = ("nfs", "cifs", "smb", "ceph", "9p", "glusterfs", "lustre", "beegfs", "afs")
"""File systems of other machines; those in user space (``fuse.``) are counted among them."""


def remote_file_system(path: Path) -> str:
    """The kind of the file system of a path, if it is on another machine; else empty.

    There SQLite's locks and its order of writes cannot be relied on.
    """
    kind = ""
    longest = -1
    resolved = str(path.resolve())
    for point, found in _mounts():
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            kind, longest = found, len(point)
    return kind if kind.startswith((*_REMOTE, "fuse.")) else ""


def _mounts() -> Iterator[tuple[str, str]]:
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")
        yield point, after.split()[0]


def open_by(*paths: Path) -> list[Writer]:
    """The processes that have one of the files open, besides this one.

    Those of other users are seen by root alone.
    """
    wanted = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found = path.stat()
            wanted.add((found.st_dev, found.st_ino))
    pids = (int(each) for each in os.listdir("/proc") if each.isdigit())
    return [
        Writer(f"process {pid} ({_name(pid)})", pid=pid)
        for pid in pids
        if pid != os.getpid() and _has_open(pid, wanted)
    ]


def _has_open(pid: int, wanted: set[tuple[int, int]]) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:  # it ended, or is another user's
        return False
    for each in descriptors:
        with contextlib.suppress(OSError):
            found = os.stat(f"{folder}/{each}")
            if (found.st_dev, found.st_ino) in wanted:
                return True
    return False


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return "ended"
