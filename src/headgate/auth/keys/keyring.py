"""A snapshot of all keys, in memory: the only thing that a request's key is checked against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from headgate.model import AuthMethod, Principal
from headgate.policy import Roles
from headgate.stores.records import KeyRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """One key in memory; ``expires_at``: seconds since the epoch, ``inf`` for a key without end.

    Revoked and expired keys stay, so that their refusals can say what happened to the key.
    """

    principal: Principal
    expires_at: float
    revoked: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """An immutable snapshot of a store's keys, replaced as a whole.

    ``roles`` say what the keys may do.
    """

    entries: Mapping[bytes, Entry]
    roles: Roles

    @classmethod
    def empty(cls, roles: Roles | None = None) -> Self:
        """The keyring before the first load: nobody passes.  ``None``: the roles built in."""
        return cls({}, Roles() if roles is None else roles)

    def with_records(self, records: Iterable[KeyRecord]) -> Keyring:
        """A keyring with ``records`` in place of the keys of this one."""
        entries = {
            record.digest: Entry(
                principal=Principal(
                    record.id,
                    record.name,
                    AuthMethod.KEY,
                    grants=self.roles.grants_for(record.name, record.roles),
                ),
                expires_at=math.inf if record.expires_at is None else record.expires_at,
                revoked=record.revoked_at is not None,
            )
            for record in records
        }
        return Keyring(entries, self.roles)

    def with_roles(self, roles: Roles) -> Keyring:
        """A keyring with the same keys, which may do what ``roles`` say."""
        entries = {
            digest: replace(entry, principal=_regranted(entry.principal, roles))
            for digest, entry in self.entries.items()
        }
        return Keyring(entries, roles)

    def count_active(self, now: float) -> int:
        """How many keys are active at ``now``, in seconds since the epoch."""
        return sum(_is_active(entry, now) for entry in self.entries.values())

    def gone_from(self, later: Keyring, now: float) -> list[Principal]:
        """The holders of active keys that ``later`` does not have at all."""
        return [
            entry.principal
            for digest, entry in self.entries.items()
            if digest not in later.entries and _is_active(entry, now)
        ]

    def revoked_in(self, later: Keyring, now: float) -> list[Principal]:
        """The holders of active keys that ``later`` has as revoked."""
        return [
            entry.principal
            for digest, entry in self.entries.items()
            if _is_active(entry, now) and digest in later.entries and later.entries[digest].revoked
        ]

    def missing_roles(self, now: float) -> Iterator[tuple[Principal, str]]:
        """Each role of an active key that does not exist, with the key's holder."""
        for entry in self.entries.values():
            if _is_active(entry, now):
                for role in entry.principal.grants.missing:
                    yield entry.principal, role


def _is_active(entry: Entry, now: float) -> bool:
    return not entry.revoked and entry.expires_at > now


def _regranted(principal: Principal, roles: Roles) -> Principal:
    return replace(principal, grants=roles.grants_for(principal.name, principal.grants.roles))
