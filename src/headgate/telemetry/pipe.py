"""Pipes that other programs read, and may stop reading."""

from __future__ import annotations

import os
import stat


def unblocked(fd: int) -> int | None:
    """A new descriptor of the pipe ``fd`` that never blocks; ``None`` if there cannot be one.

    Between a question whether there is room and a write another process may fill the pipe.  The
    flag cannot be set on ``fd`` itself, which others share.
    """
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        return None
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no such file system, a pipe of another user's, or it has no reader
        return None
