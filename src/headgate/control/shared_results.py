"""What checks have found, for all workers of one gate to read.

For each thing that is checked there is a file with the last result, and one that the worker which
checks has locked: when it dies the kernel releases its lock, and another worker checks.  They lie
in a folder that only this user can enter, for results name the network inside.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headgate.reasons import BY_CODE, Reason

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended.

    ``detail``: what was seen.  ``seconds``: what it took.  ``at``: when it ended (epoch).
    ``reason`` and ``cure``: why it failed and what helps, if it did.
    """

    api: str
    ok: bool
    detail: str
    seconds: float
    at: float
    reason: Reason = Reason.OK
    cure: str = ""


class SharedResults:
    """Shared by those who were given the same folder.

    A folder that is gone is made again.  Where it is full, or another user's, each worker goes on
    for itself, as if it were alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def claim(self, what: str) -> Iterator[bool]:
        """Whether it is for the caller to check this, until the block ends; never waits."""
        try:
            self._make_folder()
            lock = os.open(self._path(what, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError:
            yield True
            return
        try:
            yield _is_locked(lock)
        finally:
            os.close(lock)

    def read(self, what: str) -> CheckResult | None:
        """The last result, if there is one."""
        try:
            found: dict[str, Any] = json.loads(self._path(what, "json").read_bytes())
            return CheckResult(**found | {"reason": BY_CODE[found["reason"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, what: str, result: CheckResult) -> None:
        """Share a result; a worker that reads meanwhile reads the one before."""
        draft = self._path(what, f"{os.getpid()}.draft")
        with contextlib.suppress(OSError):
            self._make_folder()
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(result), file)
            draft.replace(self._path(what, "json"))

    def _make_folder(self) -> None:
        """Make the folder if it is gone.

        Raises:
            OSError: it cannot be made, or others can enter it: they may know its name by now.
        """
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        status = self._folder.lstat()
        is_own = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700
        if not stat.S_ISDIR(status.st_mode) or not is_own:
            raise PermissionError(errno.EPERM, "not a folder of this user alone")

    def _path(self, what: str, kind: str) -> Path:
        name = hashlib.sha256(what.encode()).hexdigest()[:32]
        return self._folder / f"{name}.{kind}"


def _is_locked(descriptor: int) -> bool:
    """Lock the file, unless another has done so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True
