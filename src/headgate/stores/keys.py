"""The keys on disk: made, listed and revoked here, by any process, while gates are running.

The store never sees a key, only its digest.
"""

from __future__ import annotations

import re
import secrets
import shlex
import string
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from headgate.errors import HeadgateError
from headgate.stores import database, place, rows
from headgate.stores.rows import COLUMNS, ROLES_EDITION, KeyRecord, KeyState, UnreadableRow

NAME_LENGTH = 100
_ID_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID = re.compile(r"k_[0-9A-Za-z]{8}")

_INSERT = """
INSERT INTO keys (id, name, digest, created_at, expires_at, roles) VALUES (?, ?, ?, ?, ?, ?)
"""
_REVOKE = "UPDATE keys SET revoked_at = ? WHERE id = ?"
_SET_ROLES = "UPDATE keys SET roles = ?, roles_edition = ? WHERE id = ?"
# The columns are a constant of ours.
_ALL = f"SELECT {COLUMNS} FROM keys ORDER BY serial"  # noqa: S608
_BY_ID = f"SELECT {COLUMNS} FROM keys WHERE id = ?"  # noqa: S608
_LATEST_BY_NAME = f"SELECT {COLUMNS} FROM keys WHERE name = ? ORDER BY serial DESC"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Contents:
    """Every key ever made, oldest first, and the rows that cannot be used."""

    records: list[KeyRecord]
    unreadable: list[UnreadableRow]


class KeyStore:
    """One connection to the SQLite file at ``path``; several processes may each have theirs.

    In a folder that every user may write the file lives in a folder of its own instead, see
    ``headgate.stores.place``.

    Not to be carried across a fork, and not to be used by two threads at once.

    Attributes:
        path: where the file is.
        is_new: whether it was made now.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the store; ``create``: make an empty one if there is none.

        Raises:
            HeadgateError: the store is missing, not writable, not a key store, or others may have
                had a hand in it.
        """
        self._configured = path
        with database.in_words(path):
            self.path = place.prepare(path) if create else place.adopt(path)
        self.is_new = create and database.create(self.path)
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; the store cannot be used afterwards."""
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
        """Add a key, known by the SHA-256 ``digest`` of its secret.

        ``now`` and ``expires_at`` are seconds since the epoch, kept as whole seconds.  A key
        without ``roles`` may do nothing.  ``hand_over`` gives the secret to whom it is for, before
        the key is kept: where it raises, there is no key.

        Raises:
            HeadgateError: the name is not fit, or an active key has it; the store fails.
        """
        record = KeyRecord(
            id="k_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(8)),
            name=_checked(name),
            digest=digest,
            created_at=int(now),
            expires_at=None if expires_at is None else int(expires_at),
            roles=tuple(dict.fromkeys(roles)),
        )
        with database.in_words(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            holder = self._find(_LATEST_BY_NAME, record.name)
            if isinstance(holder, KeyRecord) and holder.state(now) is KeyState.ACTIVE:
                raise HeadgateError(
                    f"the key {holder.id} has the name '{record.name}' already; "
                    "choose another name, or revoke that key first"
                )
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
        """The key of that id or name; of several that had one name, the latest.

        Raises:
            HeadgateError: no such key, or its row cannot be read; the store fails.
        """
        with database.in_words(self.path):
            return self._known(name_or_id)

    def revoke(self, name_or_id: str, now: float) -> KeyRecord:
        """End a key for good; of several that had one name, the latest.

        One that is revoked already stays as it is.

        Raises:
            HeadgateError: no such key; the store fails.
        """
        with database.in_words(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            record = self._known(name_or_id)
            if record.revoked_at is not None:
                return record
            connection.execute(_REVOKE, (int(now), record.id))
        return replace(record, revoked_at=int(now))

    def set_roles(self, name_or_id: str, roles: Sequence[str]) -> KeyRecord:
        """Give a key other roles in place of those it has; of several with one name, the latest.

        Raises:
            HeadgateError: no such key, or it is revoked; the store fails.
        """
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

    def records(self) -> list[KeyRecord]:
        """Every key ever made that can be read, oldest first.

        Raises:
            HeadgateError: the store cannot be read.
        """
        return self.contents().records

    def contents(self) -> Contents:
        """Every row of the store.

        Raises:
            HeadgateError: the store cannot be read.
        """
        found = Contents([], [])
        with database.in_words(self.path):
            for row in self._connection.execute(_ALL):
                record = rows.read(row)
                if isinstance(record, KeyRecord):
                    found.records.append(record)
                else:
                    found.unreadable.append(record)
        return found

    def data_version(self) -> tuple[object, ...]:
        """A value that differs from the one before if any key was changed by anybody since.

        It reads the file's header, no table.  A file that was put in the place of the one opened
        first, or written over it, such as a backup, is opened and counts as a change.

        Raises:
            HeadgateError: the store is gone or cannot be read.
        """
        if self.path != place.find(self._configured) or self._opened != self._version():
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
        file = place.find(self._configured)
        opened = database.file_version(file)
        connection = database.connect(file)
        if file != place.find(self._configured):
            connection.close()
            raise HeadgateError(f"the key store {file} was exchanged while it was opened")
        self.path, self._connection, self._opened = file, connection, opened

    def _unrevoked(self, name_or_id: str) -> KeyRecord:
        """The key meant, which is not revoked."""
        record = self._known(name_or_id)
        if record.revoked_at is not None:
            raise HeadgateError(f"the key '{record.name}' ({record.id}) is revoked already")
        return record

    def _known(self, name_or_id: str) -> KeyRecord:
        """The key meant."""
        wanted = unicodedata.normalize("NFC", name_or_id)
        column, query = ("id", _BY_ID) if _ID.fullmatch(wanted) else ("name", _LATEST_BY_NAME)
        record = self._find(query, wanted)
        if record is None:
            raise HeadgateError(
                f"no key has the {column} {wanted!r}; 'headgate keys list' shows them all"
            )
        if isinstance(record, UnreadableRow):
            command = f'"DELETE FROM keys WHERE serial = {record.serial}"'  # noqa: S608
            raise HeadgateError(
                f"the key store has a damaged {record}; no gate lets that key in. Mend the row, or "
                f"delete it: sqlite3 {shlex.quote(str(self.path))} {command}"
            )
        return record

    def _find(self, query: str, value: str) -> KeyRecord | UnreadableRow | None:
        if not value.isprintable():
            return None  # no key has such a name, and SQLite takes no lone surrogates
        found = [rows.read(row) for row in self._connection.execute(query, (value,))]
        readable = (each for each in found if isinstance(each, KeyRecord))
        return next(readable, found[0] if found else None)


def _checked(name: str) -> str:
    """The name in the one form it is stored in, so that two that look alike are one."""
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= NAME_LENGTH:
        raise HeadgateError(
            f"a key's name has 1 to {NAME_LENGTH} characters, not {len(name)}; choose another"
        )
    # Not printable are, among others, control characters and those that turn text around.
    if not name.isprintable() or name != name.strip():
        raise HeadgateError(
            f"the name {name!a} has invisible characters or a space at its end; "
            "choose printable text"
        )
    if _ID.fullmatch(name):
        raise HeadgateError(f"the name '{name}' looks like the id of a key; choose another")
    return name
