"""One row of the table of keys, read strictly: what is not as Headgate writes it is not used.

SQLite keeps a value of any type in any column (https://sqlite.org/datatype3.html), and people
change rows by hand.  A row that breaks a rule here is no key, and harms no other row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headgate.stores.records import ROLES_EDITION, KeyRecord, UnreadableKey

COLUMNS = "serial, id, name, digest, created_at, expires_at, revoked_at, roles, roles_edition"
DIGEST_BYTES = 32
LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: later times have no date that programs agree on."""


def read(row: Sequence[Any]) -> KeyRecord | UnreadableKey:
    """The key of a row with ``COLUMNS``, or why it cannot be read."""
    serial, key_id, name, digest, created_at, expires_at, revoked_at, roles, edition = row
    try:
        return KeyRecord(
            id=_text("id", key_id),
            name=_text("name", name),
            digest=_digest(digest),
            created_at=_time("created_at", created_at),
            expires_at=None if expires_at is None else _time("expires_at", expires_at),
            revoked_at=None if revoked_at is None else _time("revoked_at", revoked_at),
            roles=() if roles == "" else tuple(_text("roles", roles).split()),
            # A wrong one is worth no key: it only decides about an event.
            roles_edition=edition if isinstance(edition, int) else ROLES_EDITION,
        )
    except _UnreadableError as error:
        texts = [repr(each) for each in (key_id, name) if isinstance(each, str) and each]
        return UnreadableKey(serial, ", ".join(texts), str(error))


class _UnreadableError(Exception):
    """A value breaks a rule; the message says which."""


def _text(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise _UnreadableError(f"{column} is {_kind(value)}, not text")
    # Bytes that are not UTF-8 have become surrogates, which are not printable either.
    if not value or not value.isprintable():
        what = "has characters that cannot be shown" if value else "is empty"
        raise _UnreadableError(f"{column} {what}")
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise _UnreadableError(f"digest is {_kind(value)}, not a SHA-256 of {DIGEST_BYTES} bytes")
    return value


def _time(column: str, value: object) -> int:
    if not isinstance(value, int):
        raise _UnreadableError(f"{column} is {_kind(value)}, not whole seconds since 1970")
    if not 0 <= value <= LAST_SECOND:
        raise _UnreadableError(f"{column} is not a time between the years 1970 and 9999")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "empty"
        case str():
            return "text"
        case bytes():
            return f"a blob of {len(value)} bytes"
        case int():
            return "an integer"
        case _:
            return "a number with a fraction"
