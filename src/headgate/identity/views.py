"""Principals and keys as they are shown: never with a digest, and a secret only once.

Times are whole seconds since the epoch, UTC; ``None``: never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from headgate.stores.records import PrincipalKind

STATES: Final = ("active", "disabled", "expired", "revoked")
"""The states of a key.  Disabled: it would be active if its principal were enabled."""


@dataclass(frozen=True, slots=True)
class PrincipalView:
    """A principal; see ``PrincipalRecord``.  ``active_keys``: how many of its keys are active."""

    id: str
    name: str
    kind: PrincipalKind
    roles: tuple[str, ...]
    created_at: int
    created_by: str = ""
    description: str = ""
    disabled_at: int | None = None
    active_keys: int = 0


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a key was last used, and from which address."""

    at: int
    address: str


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key; see ``KeyRecord``.

    Attributes:
        id: never secret.
        name: what people call it.
        principal_id: whose it is ...
        principal: ... and what that is called.
        roles: those that it was given.
        state: one of ``STATES``.
        created_at: when.
        created_by: the id of who made it.
        expires_at: its end.
        revoked_at: when it was ended for good.
        description: for people.
        narrowing: grants that hold it to less than its roles.
        last_use: ``None``: it was never used.
        replaces: the id of the key that it replaces; empty: none.
        replaced_by: the id of the key that replaces it; empty: none.
        break_glass: why it was made in an emergency; empty: it was not.
        grants: what it may do, all told; ``None`` in a list.
    """

    id: str
    name: str
    principal_id: str
    principal: str
    roles: tuple[str, ...]
    state: str
    created_at: int
    created_by: str = ""
    expires_at: int | None = None
    revoked_at: int | None = None
    description: str = ""
    narrowing: tuple[str, ...] = ()
    last_use: LastUse | None = None
    replaces: str = ""
    replaced_by: str = ""
    break_glass: str = ""
    grants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class KeyList:
    """Keys, oldest first, and phrases about those that cannot be read."""

    keys: Sequence[KeyView]
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, oldest first, and where the next page begins; ``None``: there is none."""

    keys: Sequence[KeyView]
    unreadable: Sequence[str]
    following: str | None


@dataclass(frozen=True, slots=True)
class PrincipalPage:
    """Some principals, and where the next page begins; ``None``: there is none."""

    principals: Sequence[PrincipalView]
    following: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key.

    Attributes:
        key: what is known of it.
        secret: the key itself, which exists nowhere else.
        replaced: the key that it replaces, as that is now.
        notes: sentences on what else was changed.
    """

    key: KeyView
    secret: str = field(repr=False)
    replaced: KeyView | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """A key that was changed, and sentences on what else was."""

    key: KeyView
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that is revoked now.

    Attributes:
        key: the key.
        was_revoked: it was before.
        still_active: other keys of its name that are accepted: those that it replaced, or that
            replace it.
    """

    key: KeyView
    was_revoked: bool
    still_active: tuple[KeyView, ...] = ()
