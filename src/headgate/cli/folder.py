"""The data folder of ``headgate up``: created if missing, used by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from headgate.errors import HeadgateError

LOCK = "up.lock"


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[Path]:
    """Lock ``folder`` for this process; yield its absolute path.

    The lock is an flock, which the kernel releases when the process ends, so it is never stale.

    Raises:
        HeadgateError: the folder cannot be created or written, or another process has locked it.
    """
    absolute = folder.absolute()
    try:
        absolute.mkdir(mode=0o700, parents=True, exist_ok=True)
        # No symbolic link: others who can write the folder could point it to any file of this user.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(absolute / LOCK, flags, 0o600)
    except OSError as error:
        raise HeadgateError(
            f"the data folder {folder} cannot be used: {_lower(error)}; choose another with --data"
        ) from None
    try:
        _lock(descriptor, folder)
        yield absolute
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        raise HeadgateError(
            f"the data folder {folder} is in use by another `headgate up` (process {owner}); "
            "stop it, or choose another folder with --data"
        ) from None
    except OSError as error:  # a network file system without locks
        raise HeadgateError(
            f"the data folder {folder} cannot be locked: {_lower(error)}; "
            "choose one on a local disk with --data"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _lower(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
