"""A SQLite file as the database of an identity store, followed when it is replaced."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select

from headgate.errors import HeadgateError
from headgate.stores.sql.migrating import SchemaState
from headgate.stores.sql.sqlite import file, location
from headgate.stores.sql.sqlite.troubles import files_in_words, in_words


class SqliteDatabase:
    """The file at ``path``: a ``Database``.

    In a folder that every user may write the file lives in a folder of its own instead, see
    ``location``.  A file that was put in the place of the one opened first, or written over it,
    such as a backup, is opened when the store is next used.

    Attributes:
        path: where the file is.
        is_new: whether it was made now.
    """

    kind = "SQLite"
    connection_kind = "a file of this machine"

    def __init__(self, path: Path, *, create: bool = True, upgrade: bool = True) -> None:
        """Open the file.

        Args:
            path: as the configuration has it.
            create: make an empty one if there is none.
            upgrade: bring it to the present schema; otherwise only ``schema`` may be asked for.

        Raises:
            HeadgateError: the store is missing, not writable, not a key store, or others could
                have changed it.
        """
        self._configured = path
        self._upgrade = upgrade
        self._lock = threading.Lock()
        self._closed = False
        with files_in_words(path):
            self.path = location.prepare(path) if create else location.adopt(path)
        self.is_new = create and file.create(self.path)
        self._engine: Engine | None = None
        self._known: file.FileVersion | None = None  # which was recognised
        with self._connected():
            pass

    @property
    def location(self) -> str:
        """See ``Database``."""
        return str(self.path)

    def first(self, statement: Select[Any]) -> Row[Any] | None:
        """See ``Database``."""
        with self._connected() as connection:
            return connection.execute(statement).first()

    def rows(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[Any]]:
        """See ``Database``."""
        with self._connected() as connection:
            return connection.execute(statement).all()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """See ``Database``."""
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """See ``Database``."""
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def schema(self) -> SchemaState:
        """See ``Database``."""
        with self._connected() as connection:
            return file.file_schema(connection)

    def close(self) -> None:
        """See ``Database``."""
        self._closed = True

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection to the file that is in place now."""
        if self._closed:
            raise ValueError("the store was closed")
        path, engine = self._place()
        version = file.file_version(path)
        with in_words(path), engine.connect() as connection:
            if version != self._known:
                file.recognise(connection, path)
                if self._upgrade:
                    file.make_ready(connection, path)
                connection.rollback()
                if path != location.find(self._configured):
                    raise HeadgateError(f"the key store {path} was exchanged while it was opened")
                self._known = version
            yield connection

    def _place(self) -> tuple[Path, Engine]:
        """Where the file is now, which others may have moved to a folder of its own."""
        with self._lock:
            path = location.find(self._configured)
            if path != self.path or self._engine is None:
                self.path, self._engine = path, file.engine_for(path)
            return path, self._engine
