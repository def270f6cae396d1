"""All known keys at one moment, in memory: the only thing a request is checked against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

from headgate.model import Principal


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
    (seconds since the epoch) at which the next key ends, ``inf`` if none will.
    """

    generation: int
    next_expiry: float
    entries: Mapping[bytes, Entry]

    @classmethod
    def empty(cls) -> Self:
        """The keyring before the first load: nobody passes."""
        return cls(generation=0, next_expiry=math.inf, entries={})

    def with_rows(self, rows: Iterable[KeyRow], now: float) -> Keyring:
        """The next generation, holding ``rows`` in place of what was known before."""
        entries = {
            row.digest: Entry(
                principal=Principal(key_id=row.id, name=row.name),
                expires_at=math.inf if row.expires_at is None else row.expires_at,
                revoked=row.revoked_at is not None,
            )
            for row in rows
        }
        return Keyring(self.generation + 1, _next_expiry(entries, now), entries)

    def at(self, now: float) -> Keyring:
        """The keyring itself, or its next generation if a key has expired since it was made."""
        if now < self.next_expiry:
            return self
        return replace(
            self, generation=self.generation + 1, next_expiry=_next_expiry(self.entries, now)
        )


def _next_expiry(entries: Mapping[bytes, Entry], now: float) -> float:
    return min(
        (entry.expires_at for entry in entries.values() if entry.expires_at > now),
        default=math.inf,
    )
