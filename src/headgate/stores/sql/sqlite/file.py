"""The SQLite file of a key store: made whole, recognised, and brought to the present schema.

The journal mode is SQLite's default, a rollback journal, and not write-ahead logging.  Writes are
rare and take milliseconds, so there is nothing to gain.  There is much to lose: with a log beside
it, the file cannot be copied or put back while a gate has it open (a log that is left over is
played into the new file), nor be shared over a network file system (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from headgate.errors import HeadgateError
from headgate.stores.sql.migrating import SchemaState, adopt_version, migrate, schema_state
from headgate.stores.sql.schema import KNOWN_SCHEMA
from headgate.stores.sql.sqlite.location import require_safe
from headgate.stores.sql.sqlite.troubles import files_in_words

APPLICATION_ID: Final = 0x48476B73
"""Tells a key store from any other SQLite file, such as MLflow's own ("HGks" in ASCII)."""
OLD_VERSION: Final = 3
"""``user_version`` of a file with schema 3 or newer: the highest that a Headgate accepts which
knows nothing of ``alembic_version`` and ``serves_from``."""
BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write, which takes milliseconds


def create(path: Path) -> bool:
    """Make an empty key store in a folder that exists, unless there is one; whether it did.

    Only the owner may read a new file (0600).

    Raises:
        HeadgateError: the file cannot be written.
    """
    with files_in_words(path):
        if path.exists():
            return False
        # Made under another name and linked into place whole: of several processes that start
        # concurrently, one wins, and none ever opens half a store.
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            with engine_for(Path(draft)).connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                migrate(connection, None)
                connection.commit()
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
    with files_in_words(path):
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


def engine_for(path: Path) -> Engine:
    """What opens connections to a file that exists.

    None is kept: opening one takes a fraction of a millisecond, and then it is to the file that is
    in place now, with nothing in its cache of another that was there before.
    """
    address = f"{path.absolute().as_uri()}?mode=rw"

    def open_file() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = _text
        return connection

    return create_engine("sqlite://", creator=open_file, poolclass=NullPool, hide_parameters=True)


def make_ready(connection: Connection, path: Path) -> None:
    """Bring a file that was recognised to the schema of this Headgate, if it has an older one.

    Raises:
        HeadgateError: it is newer and no longer serves this Headgate, or older and cannot be
            written.
    """
    state = file_schema(connection)
    if state.is_current:
        state.require_fit(str(path))
        return
    connection.rollback()
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    # Asked again: another process may have done it while this one waited.
    state = file_schema(connection)
    if not state.is_current:
        if _is_older_than_alembic(connection):
            adopt_version(connection, state.schema)
        migrate(connection, None)
    connection.commit()


def recognise(connection: Connection, path: Path) -> None:
    """Look whether the file is a key store.

    Raises:
        HeadgateError: it cannot be read, or is none that this version knows.
    """
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    if application != APPLICATION_ID:
        raise HeadgateError(
            f"{path} is not a Headgate key store; move it away, or name another folder with --data"
        )
    if _old_version(connection) > OLD_VERSION:
        raise HeadgateError(
            f"the key store {path} was written by a newer Headgate (schema "
            f"{_old_version(connection)}, this one knows {KNOWN_SCHEMA}); upgrade this Headgate"
        )


def file_schema(connection: Connection) -> SchemaState:
    """The schema of a file; those before 4 are in its header."""
    if _is_older_than_alembic(connection):
        return SchemaState(_old_version(connection), 0)
    return schema_state(connection, None)


def _is_older_than_alembic(connection: Connection) -> bool:
    return schema_state(connection, None).schema == 0


def _old_version(connection: Connection) -> int:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar()
    return int(version or 0)


def _text(content: bytes) -> str:
    """Text as SQLite holds it, which checks no encoding: one bad row must not hide the others."""
    return content.decode("utf-8", "surrogateescape")
