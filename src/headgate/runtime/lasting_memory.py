"""Memory that outlives a gate process: the gate that takes over goes on with the same pages.

Each piece is a file in memory with a name.  In a hand-over the files are passed on beside the
listening sockets, so that what one gate has noted there the next one knows, and both see what
either writes while the old one drains.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from collections.abc import Mapping
from typing import Final

_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


class LastingMemory:
    """The pieces of one gate, made before its workers are forked.

    Args:
        given: what the gate before has passed on: file descriptors by name, which are owned.
    """

    def __init__(self, given: Mapping[str, int] | None = None) -> None:
        self._given = dict(given or {})
        self._files: dict[str, int] = {}

    def mapped(self, name: str, size: int) -> mmap.mmap:
        """The piece ``name`` of ``size`` bytes, shared by all processes that are forked later.

        It is what the gate before has left there, if that has the same size; else it is new, and
        all zero.  The name has to change with the layout: the other gate may be another version.

        Raises:
            OSError: no memory is left.
            ValueError: the name is taken.
        """
        if name in self._files:
            raise ValueError(f"there are two pieces of memory named {name!r}")
        file = self._given.pop(name, None)
        if file is not None and not _fits(file, size):
            os.close(file)
            file = None
        if file is None:
            file = os.memfd_create(f"headgate-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(file, size)
            # Who maps a file that is cut short later is killed when it reads there.
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        self._files[name] = file
        return mmap.mmap(file, size)

    def files(self) -> dict[str, int]:
        """What to pass on, by name; the descriptors stay owned here."""
        return dict(self._files)

    def close(self) -> None:
        """Close the descriptors; what is mapped stays."""
        for file in (*self._given.values(), *self._files.values()):
            os.close(file)
        self._given.clear()
        self._files.clear()


def _fits(file: int, size: int) -> bool:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    try:
        return fcntl.fcntl(file, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:  # no file in memory
        return False
