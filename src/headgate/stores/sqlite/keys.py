"""Keys in a SQLite file: made, listed and revoked by any process, while gates are running."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from headgate.errors import HeadgateError
from headgate.stores.keys import Snapshot
from headgate.stores.naming import (
    is_id,
    name_taken,
    new_record,
    no_such_key,
    normalised,
    revoked_already,
)
from headgate.stores.records import ROLES_EDITION, KeyRecord, KeyState, UnreadableKey
from headgate.stores.sqlite import database, location, rows
from headgate.stores.sqlite.rows import COLUMNS

_INSERT = """
INSERT INTO keys (id, name, digest, created_at, expires_at, roles) VALUES (?, ?, ?, ?, ?, ?)
"""
_REVOKE = "UPDATE keys SET revoked_at = ? WHERE id = ?"
_SET_ROLES = "UPDATE keys SET roles = ?, roles_edition = ? WHERE id = ?"
# The columns are a constant of ours.
_ALL = f"SELECT {COLUMNS} FROM keys ORDER BY serial"  # noqa: S608
_BY_ID = f"SELECT {COLUMNS} FROM keys WHERE id = ?"  # noqa: S608
_LATEST_BY_NAME = f"SELECT {COLUMNS} FROM keys WHERE name = ? ORDER BY serial DESC"  # noqa: S608


class SqliteKeyStore:
    """One connection to the SQLite file at ``path``: a ``KeyStore``.

    In a folder that every user may write the file lives in a folder of its own instead, see
    ``headgate.stores.sqlite.location``.

    Attributes:
        path: where the file is.
        is_new: whether it was made now.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the store; ``create``: make an empty one if there is none.

        Raises:
            HeadgateError: the store is missing, not writable, not a key store, or others could
                have changed it.
        """
        self._configured = path
        with database.in_words(path):
            self.path = location.prepare(path) if create else location.adopt(path)
        self.is_new = create and database.create(self.path)
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def location(self) -> str:
        """See ``KeyStore``."""
        return str(self.path)

    def close(self) -> None:
        """See ``KeySource``."""
        self._connection.close()

    def create(
        self,
        name: str,
        digest: bytes,
        now: float,
        expires_at: float | None = None,
        roles: Sequence[str] = (),
        hand_over: Callable[[KeyRecord], None] = lambda _record: None,
    ) -> KeyRecord:
        """See ``KeyStore``."""
        record = new_record(name, digest, now, expires_at, roles)
        with database.in_words(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            holder = self._find(_LATEST_BY_NAME, record.name)
            if isinstance(holder, KeyRecord) and holder.state(now) is KeyState.ACTIVE:
                raise name_taken(holder)
            connection.execute(
                _INSERT,
                (
                    record.id,
                    record.name,
                    record.digest,
                    record.created_at,
                    record.expires_at,
                    " ".join(record.roles),
                ),
            )
            hand_over(record)
        return record

    def find(self, name_or_id: str) -> KeyRecord:
        """See ``KeyStore``."""
        with database.in_words(self.path):
            return self._known(name_or_id)

    def revoke(self, name_or_id: str, now: float) -> KeyRecord:
        """See ``KeyStore``."""
        with database.in_words(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            record = self._known(name_or_id)
            if record.revoked_at is not None:
                return record
            connection.execute(_REVOKE, (int(now), record.id))
        return replace(record, revoked_at=int(now))

    def set_roles(self, name_or_id: str, roles: Sequence[str]) -> KeyRecord:
        """See ``KeyStore``."""
        with database.in_words(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            record = replace(
                self._unrevoked(name_or_id),
                roles=tuple(dict.fromkeys(roles)),
                roles_edition=ROLES_EDITION,
            )
            values = (" ".join(record.roles), record.roles_edition, record.id)
            connection.execute(_SET_ROLES, values)
        return record

    def snapshot(self) -> Snapshot:
        """See ``KeySource``."""
        records: list[KeyRecord] = []
        unreadable: list[UnreadableKey] = []
        with database.in_words(self.path):
            for row in self._connection.execute(_ALL):
                record = rows.read(row)
                if isinstance(record, KeyRecord):
                    records.append(record)
                else:
                    unreadable.append(record)
        return Snapshot(records, unreadable)

    def revision(self) -> tuple[object, ...]:
        """See ``KeySource``.

        It reads the file's header, no table.  A file that was put in the place of the one opened
        first, or written over it, such as a backup, is opened and counts as a change.

        Raises:
            HeadgateError: the store is gone or cannot be read.
        """
        if self.path != location.find(self._configured) or self._opened != self._version():
            replaced = self._connection
            self._open()
            replaced.close()
        with database.in_words(self.path):
            # The pragma counts commits of other connections only; total_changes adds our own.
            (commits,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._opened, commits, self._connection.total_changes

    def _version(self) -> database.FileVersion:
        return database.file_version(self.path)

    def _open(self) -> None:
        # Version first: a file replaced in between is then noticed at the next look.
        file = location.find(self._configured)
        opened = database.file_version(file)
        connection = database.connect(file)
        if file != location.find(self._configured):
            connection.close()
            raise HeadgateError(f"the key store {file} was exchanged while it was opened")
        self.path, self._connection, self._opened = file, connection, opened

    def _unrevoked(self, name_or_id: str) -> KeyRecord:
        """The key meant, which is not revoked."""
        record = self._known(name_or_id)
        if record.revoked_at is not None:
            raise revoked_already(record)
        return record

    def _known(self, name_or_id: str) -> KeyRecord:
        """The key meant."""
        wanted = normalised(name_or_id)
        record = self._find(_BY_ID if is_id(wanted) else _LATEST_BY_NAME, wanted)
        if record is None:
            raise no_such_key(wanted)
        if isinstance(record, UnreadableKey):
            command = f'"DELETE FROM keys WHERE serial = {record.serial}"'  # noqa: S608
            raise HeadgateError(
                f"the key store has a damaged {record}; no gate lets that key in. Mend the row, or "
                f"delete it: sqlite3 {shlex.quote(str(self.path))} {command}"
            )
        return record

    def _find(self, query: str, value: str) -> KeyRecord | UnreadableKey | None:
        if not value.isprintable():
            return None  # no key has such a name, and SQLite takes no lone surrogates
        found = [rows.read(row) for row in self._connection.execute(query, (value,))]
        readable = (each for each in found if isinstance(each, KeyRecord))
        return next(readable, found[0] if found else None)
