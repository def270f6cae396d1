"""Standard streams that were closed when the program started."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final, TextIO

_STREAMS: Final = {1: "standard output", 2: "standard error"}
_LOST: Final = {1: "no access log is written", 2: "no event is logged"}


def reserve_closed() -> None:
    """Open ``/dev/null`` for closed standard streams; ``sys.stdout`` and the like stay ``None``.

    Otherwise the next file or connection would get the descriptor of a closed stream: output
    would be written into it, and uvloop ends the process when it closes it.
    """
    for fd in [fd for fd in range(3) if not _is_open(fd)]:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, so this one
        os.set_inheritable(fd, True)


def open_all() -> None:
    """Open writers for closed streams, and print on another stream what is lost."""
    reserve_closed()
    closed = [fd for fd, stream in ((1, sys.stdout), (2, sys.stderr)) if stream is None]
    if 1 in closed:
        sys.stdout = _writer(1)
    if 2 in closed:
        sys.stderr = _writer(2)
    lost = [f"{_STREAMS[fd]} is closed, so {_LOST[fd]}" for fd in closed]
    if lost:
        left = sys.stdout if 2 in closed else sys.stderr
        with contextlib.suppress(OSError):  # the disk may be full
            print(f"headgate: {'; '.join(lost)}", file=left, flush=True)


def _writer(fd: int) -> TextIO:
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
