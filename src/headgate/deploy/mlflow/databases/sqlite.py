"""An MLflow's SQLite database: copied by SQLite's own backup, restored by a change of names."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from headgate.deploy.mlflow import durable
from headgate.deploy.mlflow.databases import changes, files
from headgate.deploy.mlflow.databases.local_files import open_by, remote_file_system
from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.records import Kind, Loss, Snapshot, Writer

BUSY_SECONDS: Final = 10.0
_BESIDE: Final = ("-journal", "-wal", "-shm")
"""SQLite's own files beside a database, which belong to that one alone."""


class SqliteDatabase:
    """``Database`` for a file on this machine."""

    kind = Kind.SQLITE

    def __init__(self, path: Path) -> None:
        self._path = path

    def name(self) -> str:
        """See ``Database``."""
        return f"sqlite:///{self._path}"

    def head(self) -> str:
        """See ``Database``."""
        with self._open(self._path) as connection:
            return _head(connection, self.name())

    def size(self) -> int:
        """See ``Database``."""
        with self._translated("read"):
            return self._path.stat().st_size

    def obstacles(self) -> Sequence[str]:
        """See ``Database``."""
        found = []
        remote = remote_file_system(self._path)
        if remote:
            found.append(
                f"{self._path} is on a file system of another machine ({remote}), where a copy of "
                "an SQLite database cannot be relied on: move it to a local disk first"
            )
        if not os.access(self._path, os.R_OK | os.W_OK):
            found.append(f"{self._path} may not be read and written by this user: run as MLflow's")
        if not os.access(self._path.parent, os.W_OK):
            found.append(f"{self._path.parent} may not be written by this user: run as MLflow's")
        needed = self.size()
        if shutil.disk_usage(self._path.parent).free < needed:
            found.append(f"{self._path.parent} has no room for the copy that a restore needs")
        return found

    def writers(self) -> Sequence[Writer]:
        """See ``Database``."""
        return open_by(self._path, *(self._beside(each) for each in _BESIDE))

    def snapshot(self, to: Path, at: float) -> Snapshot:
        """See ``Database``."""
        file = to.with_name(f"{to.name}.sqlite")
        partial = file.with_name(f"{file.name}.partial")
        copied = f"copied to {partial}"
        with self._translated(copied), files.in_place_of(partial):
            with (
                self._open(self._path) as source,
                self._translated(copied),
                contextlib.closing(sqlite3.connect(partial)) as copy,
            ):
                source.backup(copy)
                found = copy.execute("pragma integrity_check").fetchone()[0]
                if found != "ok":
                    raise DatabaseError(f"{self._path} is damaged: {found}")
                head = _head(copy, str(partial))
            files.put(partial, file)
            size, digest = file.stat().st_size, files.digest_of(file)
        return Snapshot(self.kind, str(file), head, at, size, digest)

    def check(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        files.check(snapshot)

    def restore(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        self.check(snapshot)
        copy = self._beside(".restored")
        with self._translated(f"restored from {snapshot.place}"):
            shutil.copyfile(snapshot.place, copy)
            self._like_the_former(copy)
            durable.sync(copy)
            # Before the new name: a journal of another database would be played into it.
            for each in _BESIDE:
                self._beside(each).unlink(missing_ok=True)
            files.put(copy, self._path)

    def losses(self, since: float) -> Sequence[Loss]:
        """See ``Database``."""
        with self._open(self._path) as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table'")
            columns = {
                table: {row[1] for row in connection.execute(f'pragma table_info("{table}")')}
                for (table,) in tables.fetchall()
            }
            return changes.losses(
                since, columns, lambda statement: connection.execute(statement).fetchone()
            )

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(self._path.name + ending)

    def _like_the_former(self, copy: Path) -> None:
        """Give a file the owner and the permissions of the database."""
        with contextlib.suppress(FileNotFoundError):
            found = self._path.stat()
            os.chmod(copy, found.st_mode & 0o777)
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(copy, found.st_uid, found.st_gid)

    @contextlib.contextmanager
    def _open(self, path: Path) -> Iterator[sqlite3.Connection]:
        """Open a database that is there, also one whose last writer was killed."""
        with self._translated("opened"):
            address = f"file:{quote(str(path))}?mode=rw"
            connection = sqlite3.connect(
                address, uri=True, timeout=BUSY_SECONDS, isolation_level=None
            )
            with contextlib.closing(connection):
                yield connection

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            busy = "locked" in str(error)
            raise DatabaseError(f"{self._path} cannot be {what}: {error}", retryable=busy) from None
        except sqlite3.Error as error:
            raise DatabaseError(f"{self._path} cannot be {what}: {error}") from None
        except OSError as error:
            raise DatabaseError(f"{self._path} cannot be {what}: {error.strerror}") from None


def _head(connection: sqlite3.Connection, name: str) -> str:
    try:
        rows = connection.execute("select version_num from alembic_version").fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        rows = []
    if len(rows) != 1:
        raise DatabaseError(
            f"{name} is not a database of MLflow: it has {len(rows)} rows in alembic_version"
        )
    return str(rows[0][0])
