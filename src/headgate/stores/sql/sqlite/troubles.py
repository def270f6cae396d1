"""What SQLite and the file system report about a key store, in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from headgate.errors import HeadgateError


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite reports about ``path`` into a ``HeadgateError``."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise _explained(error.orig, path) from None
    except sqlite3.Error as error:
        raise _explained(error, path) from None


@contextlib.contextmanager
def files_in_words(path: Path) -> Iterator[None]:
    """Turn what the file system reports about ``path`` into a ``HeadgateError``, too."""
    try:
        with in_words(path):
            yield
    except OSError as error:
        what = error.strerror or str(error)
        raise HeadgateError(
            f"the key store {path} cannot be used: {what}; let this user read and write "
            "its folder, or name another with --data"
        ) from error


def _explained(error: sqlite3.Error, path: Path) -> Exception:
    if isinstance(error, sqlite3.ProgrammingError):
        return error  # a defect of Headgate, not of the file
    # The low byte is the primary result code (https://sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return HeadgateError(f"the key store {path} {_TROUBLES.get(code, f'failed: {error}')}")


_WRITABLE = "let this user write the file and its folder, or name another with --data"
_TROUBLES: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another program; close that program and try again",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {_WRITABLE}",
    sqlite3.SQLITE_PERM: f"cannot be opened; {_WRITABLE}",
    sqlite3.SQLITE_READONLY: f"cannot be written; {_WRITABLE}",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error; check that disk",
    sqlite3.SQLITE_NOTADB: (
        "is not an SQLite database; move it away, or name another folder with --data"
    ),
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away and restore a backup of it",
}
