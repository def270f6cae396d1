"""All known keys at one moment, in memory: the only thing a request is checked against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from headgate.model import AuthMethod, Principal
from headgate.policy import Roles


class KeyRow(Protocol):
    """One key as a store knows it.  Times are seconds since the epoch, UTC."""

    @property
    def id(self) -> str:
        """The public name of the key that never changes."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the secret."""
        ...

    @property
    def expires_at(self) -> float | None:
        """When it ends by itself; ``None``: never."""
        ...

    @property
    def revoked_at(self) -> float | None:
        """When somebody ended it; ``None``: nobody has."""
        ...

    @property
    def roles(self) -> Sequence[str]:
        """The names of the roles that say what its holder may do."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What the gate remembers of one key.  ``expires_at`` is ``inf`` for a key without end.

    Revoked and expired keys stay, so that their holders are told what happened to them.
    """

    principal: Principal
    expires_at: float
    revoked: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """An immutable snapshot of a store's keys, replaced as a whole.

    ``generation`` grows whenever an answer may have changed.  ``next_expiry`` is the time
    (seconds since the epoch) at which the next key ends, ``inf`` if none will.  ``roles`` say what
    the keys may do.
    """

    generation: int
    next_expiry: float
    entries: Mapping[bytes, Entry]
    roles: Roles

    @classmethod
    def empty(cls, roles: Roles | None = None) -> Self:
        """The keyring before the first load: nobody passes.  ``None``: the roles built in."""
        return cls(0, math.inf, {}, Roles() if roles is None else roles)

    def with_rows(self, rows: Iterable[KeyRow], now: float) -> Keyring:
        """The next generation, holding ``rows`` in place of what was known before."""
        entries = {
            row.digest: Entry(
                principal=Principal(
                    row.id,
                    row.name,
                    AuthMethod.KEY,
                    grants=self.roles.grants_for(row.name, row.roles),
                ),
                expires_at=math.inf if row.expires_at is None else row.expires_at,
                revoked=row.revoked_at is not None,
            )
            for row in rows
        }
        return Keyring(self.generation + 1, _next_expiry(entries, now), entries, self.roles)

    def with_roles(self, roles: Roles) -> Keyring:
        """The next generation, in which the keys may do what ``roles`` say now."""
        entries = {
            digest: replace(entry, principal=_regranted(entry.principal, roles))
            for digest, entry in self.entries.items()
        }
        return replace(self, generation=self.generation + 1, entries=entries, roles=roles)

    def at(self, now: float) -> Keyring:
        """The keyring itself, or its next generation if a key has expired since it was made."""
        if now < self.next_expiry:
            return self
        return replace(
            self, generation=self.generation + 1, next_expiry=_next_expiry(self.entries, now)
        )

    def count_active(self, now: float) -> int:
        """How many keys open the gate at ``now``."""
        return sum(_is_active(entry, now) for entry in self.entries.values())

    def gone_from(self, later: Keyring, now: float) -> list[Principal]:
        """The holders of keys that were good, and that ``later`` does not even know."""
        return [
            entry.principal
            for digest, entry in self.entries.items()
            if digest not in later.entries and _is_active(entry, now)
        ]

    def missing_roles(self, now: float) -> Iterator[tuple[Principal, str]]:
        """Each role of a key good at ``now`` that does not exist, with the key's holder."""
        for entry in self.entries.values():
            if _is_active(entry, now):
                for role in entry.principal.grants.missing:
                    yield entry.principal, role


def _is_active(entry: Entry, now: float) -> bool:
    return not entry.revoked and entry.expires_at > now


def _regranted(principal: Principal, roles: Roles) -> Principal:
    return replace(principal, grants=roles.grants_for(principal.name, principal.grants.roles))


def _next_expiry(entries: Mapping[bytes, Entry], now: float) -> float:
    return min(
        (entry.expires_at for entry in entries.values() if entry.expires_at > now),
        default=math.inf,
    )
