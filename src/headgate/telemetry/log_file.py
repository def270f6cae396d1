"""Files that logs are appended to, and that are opened again once they were renamed or removed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from headgate.errors import HeadgateError

MODE: Final = 0o640
"""Of a new file, unless the umask allows less."""


class LogFile:
    """A file that one log is appended to.

    Args:
        path: is created if there is nothing.

    ``fd``: stays the same when the file is opened again.

    Raises:
        HeadgateError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        try:
            self.fd: Final = _opened(path)
        except OSError as error:
            raise HeadgateError(
                f"cannot write the log to {path}: {error.strerror or error}"
            ) from None

    @property
    def is_removed(self) -> bool:
        """Whether the file has no name any longer, so that nobody could read what is written."""
        return os.fstat(self.fd).st_nlink == 0

    def reopen(self) -> None:
        """Append to what has the path now; the file before stays in use if that fails.

        Raises:
            OSError: it cannot be opened.
        """
        new = _opened(self.path)
        try:
            os.dup2(new, self.fd, inheritable=False)
        finally:
            os.close(new)


def _opened(path: Path) -> int:
    # Without a wait for the reader of a pipe, which is refused below; a file does not mind.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    fd = os.open(path, flags, MODE)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISCHR(mode):
        return fd
    os.close(fd)
    raise OSError("it is no regular file")
