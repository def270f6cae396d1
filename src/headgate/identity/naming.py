"""Names, ids and texts of principals and keys."""

from __future__ import annotations

import re
import secrets
import string
import unicodedata
from typing import Final

from headgate.auth.keys.form import PREFIX, KeyForm, form_of
from headgate.identity.errors import Invalid
from headgate.stores.records import KeyRecord, PrincipalKind, PrincipalRecord

NAME_LENGTH: Final = 100
TEXT_LENGTH: Final = 500
BREAK_GLASS: Final = "break-glass"
"""The service account of keys for emergencies; nothing else has that name."""

_ID_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID: Final = re.compile(r"[kp]_[0-9A-Za-z]{8}")
_SECRET: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{20}}")
"""A key, or enough of one that it must not be repeated."""


def new_key_id() -> str:
    """An id that no other key has."""
    return "k_" + _random()


def new_principal_id() -> str:
    """An id that no other principal has."""
    return "p_" + _random()


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, which no name has."""
    return _ID.fullmatch(text) is not None


def reference(text: str) -> str:
    """A name or id that was asked for, in the form in which it is stored.

    Raises:
        Invalid: it is a key, which must not be repeated.
    """
    if form_of(text) is not KeyForm.FOREIGN:
        raise Invalid(
            "that is a key itself, and may be in the shell's history now; use the key's name or "
            "id, which 'headgate keys list' shows"
        )
    return unicodedata.normalize("NFC", text)


def checked_name(name: str, whose: str = "a key") -> str:
    """The name, normalised, so that two that look alike are one.

    Args:
        name: the name.
        whose: of what, with its article.

    Raises:
        Invalid: it is not fit.
    """
    name = reference(name)
    if not 1 <= len(name) <= NAME_LENGTH:
        raise Invalid(
            f"{whose}'s name has 1 to {NAME_LENGTH} characters, not {len(name)}; choose another",
            "name",
        )
    # Not printable are, among others, control characters and those that turn text around.
    if not name.isprintable() or name != name.strip():
        raise Invalid(
            f"the name {name!a} has invisible characters or a space at its end; "
            "choose printable text",
            "name",
        )
    if is_id(name):
        what = "a key" if name.startswith("k_") else "a principal"
        raise Invalid(f"the name '{name}' looks like the id of {what}; choose another", "name")
    refuse_secret(name, "name")
    return name


def checked_text(text: str, field: str) -> str:
    """A description or reason, normalised.

    Raises:
        Invalid: it is too long, is not printable, or has a key in it.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if len(text) > TEXT_LENGTH:
        raise Invalid(f"the {field} has at most {TEXT_LENGTH} characters, not {len(text)}", field)
    if not text.isprintable():
        raise Invalid(f"the {field} has invisible characters; write one line of text", field)
    refuse_secret(text, field)
    return text


def own_account(key: KeyRecord) -> PrincipalRecord:
    """The service account of a key that a gate of an older schema made: its own."""
    return PrincipalRecord(
        id="p_" + key.id.removeprefix("k_"),
        name=key.name,
        kind=PrincipalKind.SERVICE,
        roles=key.roles,
        created_at=key.created_at,
    )


def refuse_secret(text: str, field: str) -> None:
    """Check that a text that may be repeated has no key in it.

    Raises:
        Invalid: it has.
    """
    if _SECRET.search(text) is not None:
        raise Invalid(f"the {field} has a key in it; leave it out, and revoke that key", field)


def _random() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))
