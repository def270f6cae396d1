"""Rows of the tables, read strictly: what is not as Headgate writes it is not used.

SQLite keeps a value of any type in any column (https://sqlite.org/datatype3.html), and people
change rows by hand.  A row that breaks a rule here is no key, and harms no other row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, select, type_coerce
from sqlalchemy.types import NullType

from headgate.stores.records import (
    ROLES_EDITION,
    KeyRecord,
    PrincipalKind,
    PrincipalRecord,
    UnreadableKey,
)
from headgate.stores.sql.schema import KEYS, PRINCIPALS

DIGEST_BYTES: Final = 32
LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: later times have no date that programs agree on."""

# Without SQLAlchemy's types: these would convert values, and fail on a wrong one.
_KEY_COLUMNS: Final = [type_coerce(each, NullType()) for each in KEYS.c if each.name != "changed"]
_PRINCIPAL_COLUMNS: Final = [
    type_coerce(each, NullType()) for each in PRINCIPALS.c if each.name != "changed"
]


def select_keys() -> Select[*tuple[Any, ...]]:
    """Keys, oldest first, in rows for ``read_key``."""
    return select(*_KEY_COLUMNS).order_by(KEYS.c.serial)


def select_principals() -> Select[*tuple[Any, ...]]:
    """Principals, oldest first, in rows for ``read_principal``."""
    return select(*_PRINCIPAL_COLUMNS).order_by(PRINCIPALS.c.serial)


def changed_keys(after: int) -> Select[*tuple[Any, ...]]:
    """Those that changed after a change of that number, in rows for ``read_key``.

    In no order: for the sake of one, SQLite would read the whole table in place of the index.
    """
    return select_keys().where(KEYS.c.changed > after).order_by(None)


def changed_principals(after: int) -> Select[*tuple[Any, ...]]:
    """The same of principals, in rows for ``read_principal``."""
    return select_principals().where(PRINCIPALS.c.changed > after).order_by(None)


def read_key(row: Sequence[Any]) -> KeyRecord | UnreadableKey:
    """The key of a row of ``select_keys``, or why it cannot be read."""
    (
        serial,
        key_id,
        name,
        digest,
        created_at,
        expires_at,
        revoked_at,
        roles,
        edition,
        full_roles,
        principal_id,
        description,
        narrowing,
        created_by,
        replaces,
        break_glass,
    ) = row
    try:
        there = _names("roles", roles)
        return KeyRecord(
            _text("id", key_id),
            _text("name", name),
            _digest(digest),
            _time("created_at", created_at),
            None if expires_at is None else _time("expires_at", expires_at),
            None if revoked_at is None else _time("revoked_at", revoked_at),
            there if full_roles is None else _names("full_roles", full_roles),
            # A wrong one is worth no key: it only decides about an event.
            edition if isinstance(edition, int) else ROLES_EDITION,
            "" if principal_id is None else _text("principal_id", principal_id),
            "" if description is None else _prose("description", description),
            () if narrowing is None else _grants(narrowing),
            "" if created_by is None else _prose("created_by", created_by),
            "" if replaces is None else _prose("replaces", replaces),
            "" if break_glass is None else _prose("break_glass", break_glass),
        )
    except _UnreadableError as error:
        texts = [repr(each) for each in (key_id, name) if isinstance(each, str) and each]
        return UnreadableKey(serial, ", ".join(texts), str(error))


def read_principal(row: Sequence[Any]) -> PrincipalRecord | UnreadableKey:
    """The principal of a row of ``select_principals``, or why it cannot be read.

    None of its keys can be used then.
    """
    serial, principal_id, name, kind, roles, created_at, created_by, description, disabled_at = row
    try:
        return PrincipalRecord(
            _text("id", principal_id),
            _text("name", name),
            _kind_of_principal(kind),
            _names("roles", roles),
            _time("created_at", created_at),
            "" if created_by is None else _prose("created_by", created_by),
            "" if description is None else _prose("description", description),
            None if disabled_at is None else _time("disabled_at", disabled_at),
        )
    except _UnreadableError as error:
        texts = [repr(each) for each in (principal_id, name) if isinstance(each, str) and each]
        return UnreadableKey(serial, ", ".join(["principal", *texts]), str(error))


def key_values(record: KeyRecord) -> dict[str, object]:
    """The columns of a key, but for its serial, ``changed`` and the ``roles`` of older gates."""
    return {
        "id": record.id,
        "name": record.name,
        "digest": record.digest,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "full_roles": " ".join(record.roles),
        "roles_edition": record.roles_edition,
        "principal_id": record.principal_id or None,
        "description": record.description or None,
        "narrowing": json.dumps(record.narrowing) if record.narrowing else None,
        "created_by": record.created_by or None,
        "replaces": record.replaces or None,
        "break_glass": record.break_glass or None,
    }


def principal_values(record: PrincipalRecord) -> dict[str, object]:
    """The columns of a principal, but for its serial and ``changed``."""
    return {
        "id": record.id,
        "name": record.name,
        "kind": record.kind.value,
        "roles": " ".join(record.roles),
        "created_at": record.created_at,
        "created_by": record.created_by or None,
        "description": record.description or None,
        "disabled_at": record.disabled_at,
    }


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


def _prose(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise _UnreadableError(f"{column} is {_kind(value)}, not text")
    if not value.isprintable() and any("\ud800" <= each <= "\udfff" for each in value):
        raise _UnreadableError(f"{column} is not UTF-8")
    return value


def _names(column: str, value: object) -> tuple[str, ...]:
    return () if value == "" else _split(_text(column, value))


@lru_cache(maxsize=1_024)  # most keys have the roles of others, and share them in memory
def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _grants(value: object) -> tuple[str, ...]:
    try:
        grants = json.loads(_text("narrowing", value))
    except ValueError:
        grants = None
    if not isinstance(grants, list) or not all(isinstance(each, str) for each in grants):
        raise _UnreadableError("narrowing is not a JSON array of grants")
    return tuple(grants)


def _kind_of_principal(value: object) -> PrincipalKind:
    try:
        return PrincipalKind(_text("kind", value))
    except ValueError:
        raise _UnreadableError("kind is neither person nor service") from None


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
