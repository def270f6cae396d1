"""One piece of work on a store: its transaction, on whose behalf, and the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headgate.config.auth import KeyRules
from headgate.identity.actor import Actor
from headgate.identity.errors import Conflict, NotFound
from headgate.identity.naming import is_id, own_account, reference
from headgate.identity.reach import Reach
from headgate.policy.phrases import did_you_mean
from headgate.stores.identity import Transaction
from headgate.stores.records import KeyRecord, KeyState, PrincipalRecord, UnreadableKey

_COMPARED = 2_000
"""How many names are looked through for one that may be meant."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the functions of ``principals`` and ``keys`` work with.

    Attributes:
        store: the transaction in which all of it is done.
        actor: on whose behalf.
        reach: what roles allow.
        rules: for the lives of keys.
        now: seconds since the epoch.
    """

    store: Transaction
    actor: Actor
    reach: Reach
    rules: KeyRules
    now: float

    def principal(self, name_or_id: str) -> PrincipalRecord:
        """The principal of that name or id.

        Raises:
            NotFound: there is none.
        """
        wanted = reference(name_or_id)
        found = self.store.principal(wanted) if wanted.isprintable() else None
        if found is not None:
            return found
        own = [own_account(key) for key in self.store.keys("")]
        for account in reversed(own):
            if wanted in {account.id, account.name} and self.store.principal(account.id) is None:
                return account
        others = () if is_id(wanted) else (*self.store.principals(), *own)
        raise not_found("principal", wanted, [each.name for each in others])

    def key(self, name_or_id: str) -> KeyRecord:
        """The key of that id, or the latest of that name.

        Raises:
            NotFound: there is none.
            Conflict: it is damaged.
        """
        wanted = reference(name_or_id)
        found = self.store.key(wanted) if wanted.isprintable() else None
        if isinstance(found, UnreadableKey):
            raise Conflict(
                f"the key store has a damaged {found}; no gate accepts that key. Repair the row, "
                "or delete it"
            )
        if found is None:
            records = () if is_id(wanted) else self.store.keys()
            raise not_found("key", wanted, [each.name for each in records])
        return found

    def owner(self, key: KeyRecord) -> PrincipalRecord:
        """Whose a key is: its own service account, if a gate of an older schema made it."""
        account = own_account(key)
        found = self.store.principal(key.principal_id or account.id)
        if found is not None:
            return found
        # One that cannot be read allows nothing, as in a gate.
        return replace(account, id=key.principal_id, roles=()) if key.principal_id else account

    def adopted(self, key: KeyRecord) -> KeyRecord:
        """The key with a principal that is stored: its own service account, if it had none."""
        if key.principal_id:
            return key
        account = own_account(key)
        if self.store.principal(account.id) is None:
            self.store.put_principal(self.with_free_name(account))
        key = replace(key, principal_id=account.id)
        self.store.put_key(key)
        return key

    def stored(self, principal: PrincipalRecord) -> PrincipalRecord:
        """The principal, which is stored now with the key that it was made up for, if it was."""
        found = self.store.principal(principal.id)
        if found is None:
            for key in self.store.keys(""):
                if own_account(key).id == principal.id:
                    self.adopted(key)
            found = self.store.principal(principal.id)
        return principal if found is None else found

    def with_free_name(self, account: PrincipalRecord) -> PrincipalRecord:
        """The account under a name that no other principal has."""
        if self.store.principal(account.name) is None:
            return account
        return replace(account, name=f"{account.name[:80]} ({account.id})")

    def keys_of(self, key: KeyRecord) -> Sequence[KeyRecord]:
        """The keys of a key's principal, itself among them."""
        return self.store.keys(key.principal_id) if key.principal_id else (key,)

    def active_named(self, name: str) -> list[KeyRecord]:
        """The active keys of a name: several only while one replaces another.

        Those have one principal, so that no other keys need to be looked through.
        """
        latest = self.store.key(name)
        if latest is None:
            return []
        among = self.store.keys() if isinstance(latest, UnreadableKey) else self.keys_of(latest)
        return [each for each in among if each.name == name and self.is_active(each)]

    def is_active(self, key: KeyRecord) -> bool:
        """Whether the key is neither revoked nor expired."""
        return key.state(self.now) is KeyState.ACTIVE

    def replacement(self, key: KeyRecord) -> KeyRecord | None:
        """The key that replaces this one: the latest, of several."""
        found = [each for each in self.keys_of(key) if each.replaces == key.id]
        return found[-1] if found else None


def not_found(what: str, wanted: str, names: Sequence[str]) -> NotFound:
    """There is no key or principal, as ``what`` says, of a name or id.

    ``names`` are those that there are.
    """
    column = "id" if is_id(wanted) else "name"
    hint = did_you_mean(wanted, names[-_COMPARED:])
    return NotFound(
        f"no {what} has the {column} {wanted!r}; {hint}{hint and ' '}"
        f"'headgate {what}s list' shows them all"
    )
