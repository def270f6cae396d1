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
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import HeadgateError
from headgate.stores.records import ROLES_EDITION
from headgate.stores.sqlite.location import require_safe
from headgate.stores.sqlite.rows import DIGEST_BYTES, LAST_SECOND

# Tells a key store from any other SQLite file, such as MLflow's own ("HGks" in ASCII).
APPLICATION_ID = 0x48476B73
SCHEMA_VERSION = 3
BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write, which takes milliseconds

_COLUMNS = f"""
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE CHECK (typeof(id) = 'text'),
    name       TEXT NOT NULL CHECK (typeof(name) = 'text'),
    digest     BLOB NOT NULL UNIQUE
               CHECK (typeof(digest) = 'blob' AND length(digest) = {DIGEST_BYTES}),
    -- these three: seconds since the epoch, UTC; NULL: never
    created_at INTEGER NOT NULL
               CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND {LAST_SECOND}),
    expires_at INTEGER CHECK (expires_at IS NULL OR
               (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND {LAST_SECOND})),
    revoked_at INTEGER CHECK (revoked_at IS NULL OR
               (typeof(revoked_at) = 'integer' AND revoked_at BETWEEN 0 AND {LAST_SECOND})),
    -- names, with spaces between them; none: nothing allowed
    roles      TEXT NOT NULL DEFAULT '' CHECK (typeof(roles) = 'text'),
    -- of the built-in roles, when these were given
    roles_edition INTEGER NOT NULL DEFAULT {ROLES_EDITION}
"""
_SCHEMA = f"""
BEGIN;
CREATE TABLE keys ({_COLUMNS});
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_TO_NEXT_SCHEMA = {
    1: (  # which had no roles: each key opened everything, and goes on to do so
        "ALTER TABLE keys ADD COLUMN roles TEXT NOT NULL DEFAULT ''",
        "UPDATE keys SET roles = 'admin'",
    ),
    2: (  # which took a value of any type; rows with a wrong one are kept, to be mended
        f"CREATE TABLE checked_keys ({_COLUMNS})",
        "PRAGMA ignore_check_constraints = ON",
        (
            "INSERT INTO checked_keys SELECT serial, id, name, digest, created_at, expires_at, "
            "revoked_at, roles, 1 FROM keys"
        ),
        "PRAGMA ignore_check_constraints = OFF",
        "DROP TABLE keys",
        "ALTER TABLE checked_keys RENAME TO keys",
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


def create(path: Path) -> bool:
    """Make an empty key store in a folder that exists, unless there is one; whether it did.

    Only the owner may read a new file (0600).

    Raises:
        HeadgateError: the file cannot be written.
    """
    with in_words(path):
        if path.exists():
            return False
        # Made under another name and linked into place whole: of several processes that start
        # concurrently, one wins, and none ever opens half a store.
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            with contextlib.closing(sqlite3.connect(draft)) as connection:
                connection.executescript(_SCHEMA)
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            os.unlink(draft)
    return True


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells a file from another one in its place, and from itself with other content.

    SQLite's own change counter is not enough: a copy that is written over the file brings a
    counter of its own, which one more write may make equal to the one before.
    """

    device: int
    inode: int
    size: int
    modified: int  # this and the next: nanoseconds
    changed: int


def file_version(path: Path) -> FileVersion:
    """The version of the file as it is now.

    Raises:
        HeadgateError: there is no such file, or it cannot be reached, or all may write it.
    """
    with in_words(path):
        try:
            status = path.stat()
            require_safe(path)
        except FileNotFoundError:
            raise HeadgateError(
                f"there is no key store at {path}; make a key with 'headgate keys create NAME', "
                "or name the right folder with --data"
            ) from None
    return FileVersion(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


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
            connection.text_factory = _text
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


def _text(content: bytes) -> str:
    """Text as SQLite holds it, which checks no encoding: one bad row must not hide the others."""
    return content.decode("utf-8", "surrogateescape")


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
