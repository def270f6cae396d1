"""Standard streams that were closed before the program started."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

_STREAMS: Final = ("standard input", "standard output", "standard error")
_LOST: Final = {1: "no access log is written", 2: "no event is logged"}


def open_all() -> None:
    """Lead standard streams that are closed to nowhere, and say on another one what is lost.

    The next file or connection that is opened would be given the number of a closed one, and
    whatever is printed would be written into it.
    """
    closed = [fd for fd in range(3) if not _is_open(fd)]
    for fd in closed:  # each takes the lowest number that is free, so its own
        os.open(os.devnull, os.O_RDWR)
        os.set_inheritable(fd, True)
    if sys.stdout is None or 1 in closed:
        sys.stdout = _writer(1)
    if sys.stderr is None or 2 in closed:
        sys.stderr = _writer(2)
    lost = [f"{_STREAMS[fd]} is closed, so {_LOST[fd]}" for fd in closed if fd in _LOST]
    if lost:
        left = sys.stdout if 2 in closed else sys.stderr
        print(f"headgate: {'; '.join(lost)}", file=left, flush=True)


def _writer(fd: int) -> TextIO:
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
