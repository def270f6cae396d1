"""What a command of the CLI works through, wherever the principals and keys are.

There are two implementations: ``StoreClient`` here works on the store itself, and the one in
``headgate.cli.remote`` asks a gate (``--url``).  Both follow the rules of ``Administration``, raise
the errors of ``headgate.identity.errors``, and hand a new secret over before anything else is done
with it; so a command does not know which of the two it has.  The documents of
``headgate.identity.documents`` are what a gate sends and what ``--json`` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headgate.identity.actor import Actor
from headgate.identity.administration import Administration, HandOver
from headgate.identity.requests import (
    BreakGlass,
    ImportedKey,
    KeyChange,
    KeyFilter,
    NewKey,
    NewPrincipal,
    PrincipalChange,
    Rotation,
)
from headgate.identity.views import Changed, Issued, KeyList, KeyView, PrincipalView, Revoked


class IdentityClient(Protocol):
    """The methods of ``Administration``, each for one actor: see there for what they raise."""

    def principals(self) -> list[PrincipalView]:
        """Every principal, oldest first."""
        ...

    def principal(self, name_or_id: str) -> PrincipalView:
        """One principal."""
        ...

    def create_principal(self, new: NewPrincipal) -> PrincipalView:
        """Make a principal."""
        ...

    def change_principal(self, name_or_id: str, change: PrincipalChange) -> PrincipalView:
        """Change the name, the roles or the description of a principal."""
        ...

    def disable_principal(self, name_or_id: str) -> PrincipalView:
        """Let none of its keys be accepted."""
        ...

    def enable_principal(self, name_or_id: str) -> PrincipalView:
        """Let its keys be accepted again."""
        ...

    def keys(self, wanted: KeyFilter) -> KeyList:
        """The keys that meet a filter."""
        ...

    def key(self, name_or_id: str) -> KeyView:
        """One key, with what it may do all told."""
        ...

    def create_key(self, new: NewKey, hand_over: HandOver) -> Issued:
        """Make a key; where ``hand_over`` raises, there is none."""
        ...

    def rotate_key(self, name_or_id: str, rotation: Rotation, hand_over: HandOver) -> Issued:
        """Replace a key; where ``hand_over`` raises, it is not replaced."""
        ...

    def revoke_key(self, name_or_id: str) -> Revoked:
        """End a key for good."""
        ...

    def expire_key(self, name_or_id: str, end: float) -> KeyView:
        """Give a key another end, in seconds since the epoch; ``inf``: none."""
        ...

    def change_key(self, name_or_id: str, change: KeyChange) -> Changed:
        """Change the roles, the narrowing or the description of a key."""
        ...

    def import_keys(self, entries: Sequence[ImportedKey]) -> list[KeyView]:
        """Add keys that exist already: all, or none."""
        ...

    def create_break_glass(self, wanted: BreakGlass, hand_over: HandOver) -> Issued:
        """Make a key of an administrator for an emergency; ``hand_over`` as for others."""
        ...


class StoreClient:
    """An ``IdentityClient`` on a store, for one actor."""

    def __init__(self, administration: Administration, actor: Actor) -> None:
        self._administration = administration
        self._actor = actor

    def principals(self) -> list[PrincipalView]:
        """See ``IdentityClient``."""
        return self._administration.principals(self._actor)

    def principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._administration.principal(self._actor, name_or_id)

    def create_principal(self, new: NewPrincipal) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._administration.create_principal(self._actor, new)

    def change_principal(self, name_or_id: str, change: PrincipalChange) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._administration.change_principal(self._actor, name_or_id, change)

    def disable_principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._administration.disable_principal(self._actor, name_or_id)

    def enable_principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._administration.enable_principal(self._actor, name_or_id)

    def keys(self, wanted: KeyFilter) -> KeyList:
        """See ``IdentityClient``."""
        return self._administration.keys(self._actor, wanted)

    def key(self, name_or_id: str) -> KeyView:
        """See ``IdentityClient``."""
        return self._administration.key(self._actor, name_or_id)

    def create_key(self, new: NewKey, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        return self._administration.create_key(self._actor, new, hand_over)

    def rotate_key(self, name_or_id: str, rotation: Rotation, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        return self._administration.rotate_key(self._actor, name_or_id, rotation, hand_over)

    def revoke_key(self, name_or_id: str) -> Revoked:
        """See ``IdentityClient``."""
        return self._administration.revoke_key(self._actor, name_or_id)

    def expire_key(self, name_or_id: str, end: float) -> KeyView:
        """See ``IdentityClient``."""
        return self._administration.expire_key(self._actor, name_or_id, end)

    def change_key(self, name_or_id: str, change: KeyChange) -> Changed:
        """See ``IdentityClient``."""
        return self._administration.change_key(self._actor, name_or_id, change)

    def import_keys(self, entries: Sequence[ImportedKey]) -> list[KeyView]:
        """See ``IdentityClient``."""
        return self._administration.import_keys(self._actor, entries)

    def create_break_glass(self, wanted: BreakGlass, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        return self._administration.create_break_glass(self._actor, wanted, hand_over)
