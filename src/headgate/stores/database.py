"""Opens the SQLite file of a key store, makes it if need be, and puts SQLite's errors in words.

The journal mode is SQLite's default, a rollback journal, and not write-ahead logging.  Writes are
rare and take milliseconds, so there is nothing to gain.  There is much to lose: with a log beside
it, the file cannot be copied or put back while a gate has it open (a log that is left over is
played into the new file), nor be shared over a network file system (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headgate.errors import HeadgateError

# Tells a key store from any other SQLite file, such as MLflow's own ("HGks" in ASCII).
APPLICATION_ID = 0x48476B73
SCHEMA_VERSION = 2
BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write, which takes milliseconds

_SCHEMA = f"""
BEGIN;
CREATE TABLE keys (
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    created_at INTEGER NOT NULL,  -- this and the next two: seconds since the epoch, UTC
    expires_at INTEGER,           -- NULL: never
    revoked_at INTEGER,           -- NULL: not revoked
    roles      TEXT NOT NULL DEFAULT ''  -- names, with spaces between them; none: nothing allowed
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_TO_NEXT_SCHEMA = {
    1: (  # which had no roles: each key opened everything, and goes on to do so
        "ALTER TABLE keys ADD COLUMN roles TEXT NOT NULL DEFAULT ''",
        "UPDATE keys SET roles = 'admin'",
    ),
}
"""What brings a store of each older schema to the one after it."""


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system report about ``path`` into a ``HeadgateError``."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a defect of Headgate, not of the file
    except sqlite3.Error as error:
        raise HeadgateError(f"the key store {path} {_trouble(error)}") from error
    except OSError as error:
        what = error.strerror or str(error)
        raise HeadgateError(
            f"the key store {path} cannot be used: {what}; let this user read and write "
            "its folder, or name another with --data"
        ) from error


def create(path: Path) -> None:
    """Make an empty key store, unless there is one; its folder too.

    Only the owner may enter a new folder (0700) or read a new file (0600).

    Raises:
        HeadgateError: the folder or the file cannot be written.
    """
    with in_words(path):
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made under another name and linked into place whole: of several processes that start
        # at once, one wins, and none ever opens half a store.
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            with contextlib.closing(sqlite3.connect(draft)) as connection:
                connection.executescript(_SCHEMA)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)


def identity(path: Path) -> tuple[int, int]:
    """Device and inode: what tells this file from another one put in its place.

    Raises:
        HeadgateError: there is no such file, or it cannot be reached.
    """
    with in_words(path):
        try:
            status = path.stat()
        except FileNotFoundError:
            raise HeadgateError(
                f"there is no key store at {path}; make a key with 'headgate keys create NAME', "
                "or name the right folder with --data"
            ) from None
    return status.st_dev, status.st_ino


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing key store, in autocommit mode.  One of an older schema is changed to this.

    Raises:
        HeadgateError: it cannot be read, is no key store that this version knows, or is an older
            one that cannot be written.
    """
    with in_words(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            # The gate loads keys in one thread and then looks for changes in another, never in
            # both at once.
            check_same_thread=False,
        )
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(connection.close)
            _recognise(connection, path)
            if _version(connection) < SCHEMA_VERSION:
                _migrate(connection)
            on_failure.pop_all()
    return connection


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
    if application != APPLICATION_ID:
        raise HeadgateError(
            f"{path} is not a Headgate key store; move it away, or name another folder with --data"
        )
    if version > SCHEMA_VERSION:
        raise HeadgateError(
            f"the key store {path} was written by a newer Headgate (schema {version}, "
            f"this one knows {SCHEMA_VERSION}); upgrade this Headgate"
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Asked again: another process may have done it while this one waited.
        for version in range(_version(connection), SCHEMA_VERSION):
            for statement in _TO_NEXT_SCHEMA[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _trouble(error: sqlite3.Error) -> str:
    # The low byte is the primary result code (https://sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return _TROUBLES.get(code, f"failed: {error}")


_WRITABLE = "let this user write the file and its folder, or name another with --data"
_TROUBLES = {
    sqlite3.SQLITE_BUSY: "is locked by another program; close that program and try again",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {_WRITABLE}",
    sqlite3.SQLITE_PERM: f"cannot be opened; {_WRITABLE}",
    sqlite3.SQLITE_READONLY: f"cannot be written; {_WRITABLE}",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full; free some space",
    sqlite3.SQLITE_NOTADB: (
        "is not an SQLite database; move it away, or name another folder with --data"
    ),
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away and restore a backup of it",
}
