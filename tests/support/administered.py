"""A store in memory under the rules, and people who do things to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.config.auth import KeyRules
from headgate.config.roles import Role
from headgate.identity import Actor, Administration, Issued, NewKey, NewPrincipal
from headgate.policy import Roles, parse_grant
from headgate.stores.identity import IdentityStore
from headgate.stores.records import KeyRecord, PrincipalRecord
from headgate.testing.clock import ManualClock
from headgate.testing.key_store import MemoryIdentityStore

OPERATOR = Actor.operator("cli")
NOW = 1_000_000.0
DAY = 86_400
OWN_ROLES = {
    "team-a": Role(
        grants=("read:runs on experiment team-a/*", "write:runs on experiment team-a/*")
    ),
    "keeper": Role(grants=("administer:gate", "read:gate")),
}


def actor(*grants: str, name: str = "ada") -> Actor:
    """Somebody who has these grants."""
    return Actor("p_0000000a", name, tuple(map(parse_grant, grants)))


def keeper(*grants: str) -> Actor:
    """Somebody who may change principals and keys, and has these grants too."""
    return actor("administer:gate", *grants)


@dataclass
class Administered:
    """What the tests of the rules share."""

    store: IdentityStore = field(default_factory=MemoryIdentityStore)
    rules: KeyRules = field(default_factory=KeyRules)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def __post_init__(self) -> None:
        self.roles = Roles(OWN_ROLES)
        self.do = self.under(self.rules)

    def under(self, rules: KeyRules, roles: Roles | None = None) -> Administration:
        """The same store under other rules."""
        return Administration(self.store, roles or self.roles, rules, self.clock)

    def principal(self, name: str, *roles: str) -> PrincipalRecord:
        """A principal that the operator makes."""
        made = self.do.create_principal(OPERATOR, NewPrincipal(name, roles=roles))
        with self.store.reading() as reading:
            found = reading.principal(made.id)
        assert found is not None
        return found

    def key(self, name: str, *roles: str, **fields: object) -> Issued:
        """A key that the operator makes."""
        new = NewKey(name, roles=roles or None, **fields)  # type: ignore[arg-type]
        return self.do.create_key(OPERATOR, new)

    def put(self, *records: KeyRecord | PrincipalRecord) -> None:
        """Store records as another gate may have."""
        with self.store.transaction() as transaction:
            for record in records:
                if isinstance(record, KeyRecord):
                    transaction.put_key(record)
                else:
                    transaction.put_principal(record)

    def records(self) -> list[KeyRecord]:
        """The keys as they are stored."""
        with self.store.reading() as reading:
            return list(reading.keys())

    def record(self, name_or_id: str) -> KeyRecord:
        """One of them."""
        with self.store.reading() as reading:
            found = reading.key(name_or_id)
        assert isinstance(found, KeyRecord)
        return found
