"""New keys, their names and ids: the rules of every store, and what it says of a wrong one."""

from __future__ import annotations

import re
import secrets
import string
import unicodedata
from collections.abc import Sequence

from headgate.errors import HeadgateError
from headgate.stores.records import KeyRecord

NAME_LENGTH = 100
_ID_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID = re.compile(r"k_[0-9A-Za-z]{8}")


def new_id() -> str:
    """An id that no other key has."""
    return "k_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, which no name has."""
    return _ID.fullmatch(text) is not None


def normalised(name_or_id: str) -> str:
    """A name in the one form it is stored in, so that two that look alike are one."""
    return unicodedata.normalize("NFC", name_or_id)


def checked_name(name: str) -> str:
    """The name, normalised.

    Raises:
        HeadgateError: it is not fit for a key.
    """
    name = normalised(name)
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
    if is_id(name):
        raise HeadgateError(f"the name '{name}' looks like the id of a key; choose another")
    return name


def new_record(
    name: str, digest: bytes, now: float, expires_at: float | None, roles: Sequence[str]
) -> KeyRecord:
    """The record of a key that is made now; times are seconds since the epoch.

    Raises:
        HeadgateError: the name is not fit for a key.
    """
    return KeyRecord(
        id=new_id(),
        name=checked_name(name),
        digest=digest,
        created_at=int(now),
        expires_at=None if expires_at is None else int(expires_at),
        roles=tuple(dict.fromkeys(roles)),
    )


def no_such_key(name_or_id: str) -> HeadgateError:
    """There is no key of that name or id, normalised."""
    column = "id" if is_id(name_or_id) else "name"
    return HeadgateError(
        f"no key has the {column} {name_or_id!r}; 'headgate keys list' shows them all"
    )


def name_taken(holder: KeyRecord) -> HeadgateError:
    """An active key has the name."""
    return HeadgateError(
        f"the key {holder.id} has the name '{holder.name}' already; "
        "choose another name, or revoke that key first"
    )


def revoked_already(record: KeyRecord) -> HeadgateError:
    """What was asked for cannot be done to a revoked key."""
    return HeadgateError(f"the key '{record.name}' ({record.id}) is revoked already")
