"""The folder of the journal and the snapshots, on this machine."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow import durable
from headgate.deploy.mlflow.journal import JournalError

JOURNAL: Final = "journal.json"
LOCK: Final = "lock"
REPORT: Final = "report.json"
PROBE: Final = "writable"
"""Written before anything is done, since nothing can be without a journal."""
PROBE_BYTES: Final = 8192
"""More than a journal has."""


class LocalFolder:
    """``StateFolder``: only its owner may read it, since snapshots have everything of MLflow."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._lock: int | None = None

    def path(self) -> Path:
        """See ``StateFolder``."""
        return self._path

    def free(self) -> int:
        """See ``StateFolder``."""
        self._make()
        return shutil.disk_usage(self._path).free

    def acquire(self, who: str) -> str | None:
        """See ``StateFolder``."""
        self._make()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path / LOCK, flags, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = os.read(descriptor, 500).decode(errors="replace").strip()
            os.close(descriptor)
            return held or "another command"
        except OSError as error:
            os.close(descriptor)
            raise self._unusable(error) from None
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{who}\n".encode())
            durable.replace(self._path / PROBE, " " * PROBE_BYTES)
            (self._path / PROBE).unlink()
        except OSError as error:
            os.close(descriptor)
            raise self._unusable(error) from None
        self._lock = descriptor
        return None

    def release(self) -> None:
        """See ``StateFolder``."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> str | None:
        """See ``StateFolder``."""
        try:
            return (self._path / JOURNAL).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(
                f"the journal {self._path / JOURNAL} cannot be read: {error}"
            ) from None

    def write(self, text: str) -> None:
        """See ``StateFolder``."""
        try:
            durable.replace(self._path / JOURNAL, text)
        except OSError as error:
            raise JournalError(
                f"the journal {self._path / JOURNAL} cannot be written: {error.strerror}"
            ) from None

    def write_report(self, text: str) -> None:
        """Keep what a command has reported in the end, in the place of an earlier one.

        Raises:
            JournalError: it cannot be written.
        """
        try:
            durable.replace(self._path / REPORT, text)
        except OSError as error:
            raise JournalError(
                f"the report {self._path / REPORT} cannot be written: {error.strerror}"
            ) from None

    def read_report(self) -> str | None:
        """The last report; None if there is none that can be read."""
        try:
            return (self._path / REPORT).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _make(self) -> None:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(
            f"the folder {self._path} cannot be used: {error.strerror}; choose another with --state"
        )
