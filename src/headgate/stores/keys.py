"""The keys on disk: made, listed and revoked here, by any process, while gates are running.

The store never sees a key, only its digest.
"""

from __future__ import annotations

import enum
import re
import secrets
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from headgate.errors import HeadgateError
from headgate.stores import database

NAME_LENGTH = 100
_ID_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID = re.compile(r"k_[0-9A-Za-z]{8}")

_INSERT = """
INSERT INTO keys (id, name, digest, created_at, expires_at, roles) VALUES (?, ?, ?, ?, ?, ?)
"""
_REVOKE = "UPDATE keys SET revoked_at = ? WHERE id = ?"
_SET_ROLES = "UPDATE keys SET roles = ? WHERE id = ?"
_ALL = """
SELECT id, name, digest, created_at, expires_at, revoked_at, roles FROM keys ORDER BY serial
"""
_BY_ID = """
SELECT id, name, digest, created_at, expires_at, revoked_at, roles FROM keys WHERE id = ?
"""
_LATEST_BY_NAME = """
SELECT id, name, digest, created_at, expires_at, revoked_at, roles FROM keys WHERE name = ?
ORDER BY serial DESC LIMIT 1
"""


class KeyState(enum.StrEnum):
    """Whether a key opens the gate, and if not, why."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of one key.

    Times are seconds since the epoch, UTC; ``None``: never.  What ``roles`` allow is for the
    configuration to say, which may have none of that name.
    """

    id: str
    name: str
    digest: bytes = field(repr=False)
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    roles: tuple[str, ...] = ()

    def state(self, now: float) -> KeyState:
        """Whether the key is good at ``now`` (seconds since the epoch)."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


class KeyStore:
    """One connection to the SQLite file at ``path``; several processes may each have theirs.

    Not to be carried across a fork, and not to be used by two threads at once.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the store; ``create``: make an empty one if there is none.

        Raises:
            HeadgateError: the store is missing, not writable, or not a key store.
        """
        self._path = path
        if create:
            database.create(path)
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
    ) -> KeyRecord:
        """Add a key, known by the SHA-256 ``digest`` of its secret.

        ``now`` and ``expires_at`` are seconds since the epoch, kept as whole seconds.  A key
        without ``roles`` may do nothing.

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
        with database.in_words(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            holder = self._find(_LATEST_BY_NAME, record.name)
            if holder is not None and holder.state(now) is KeyState.ACTIVE:
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
        return record

    def revoke(self, name_or_id: str, now: float) -> KeyRecord:
        """End a key for good; of several that had one name, the latest.

        Raises:
            HeadgateError: no such key, or it is revoked already; the store fails.
        """
        with database.in_words(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            record = self._existing(name_or_id)
            connection.execute(_REVOKE, (int(now), record.id))
        return replace(record, revoked_at=int(now))

    def set_roles(self, name_or_id: str, roles: Sequence[str]) -> KeyRecord:
        """Give a key other roles in place of those it has; of several with one name, the latest.

        Raises:
            HeadgateError: no such key, or it is revoked; the store fails.
        """
        with database.in_words(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            record = replace(self._existing(name_or_id), roles=tuple(dict.fromkeys(roles)))
            connection.execute(_SET_ROLES, (" ".join(record.roles), record.id))
        return record

    def records(self) -> list[KeyRecord]:
        """Every key ever made, oldest first.

        Raises:
            HeadgateError: the store cannot be read.
        """
        with database.in_words(self._path):
            return [_record(row) for row in self._connection.execute(_ALL)]

    def data_version(self) -> tuple[object, ...]:
        """A value that differs from the one before if any key was changed by anybody since.

        It reads the file's header, no table.  A file that was put in the place of the
        one opened first, a backup for instance, is opened and counts as a change.

        Raises:
            HeadgateError: the store is gone or cannot be read.
        """
        if self._opened != database.identity(self._path):
            replaced = self._connection
            self._open()
            replaced.close()
        with database.in_words(self._path):
            # The pragma counts commits of other connections only; total_changes adds our own.
            (commits,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._opened, commits, self._connection.total_changes

    def _open(self) -> None:
        # Identity first: a file replaced in between is then noticed at the next look.
        opened = database.identity(self._path)
        self._connection = database.connect(self._path)
        self._opened = opened

    def _existing(self, name_or_id: str) -> KeyRecord:
        """The key meant, which is not revoked."""
        wanted = unicodedata.normalize("NFC", name_or_id)
        column, query = ("id", _BY_ID) if _ID.fullmatch(wanted) else ("name", _LATEST_BY_NAME)
        record = self._find(query, wanted)
        if record is None:
            raise HeadgateError(
                f"no key has the {column} {wanted!r}; 'headgate keys list' shows them all"
            )
        if record.revoked_at is not None:
            raise HeadgateError(f"the key '{record.name}' ({record.id}) is revoked already")
        return record

    def _find(self, query: str, value: str) -> KeyRecord | None:
        if not value.isprintable():
            return None  # no key has such a name, and SQLite takes no lone surrogates
        row = self._connection.execute(query, (value,)).fetchone()
        return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    key_id, name, digest, created_at, expires_at, revoked_at, roles = row
    return KeyRecord(key_id, name, digest, created_at, expires_at, revoked_at, tuple(roles.split()))


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
