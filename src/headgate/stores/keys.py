"""What a store of keys can do, whatever it is built on.

``tests/unit/stores/test_key_stores.py`` holds every implementation to it.  No store ever sees a
key: it has the SHA-256 of its secret.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from headgate.stores.records import KeyRecord, UnreadableKey


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every key ever made, oldest first, and those that cannot be used."""

    records: Sequence[KeyRecord]
    unreadable: Sequence[UnreadableKey] = ()


class KeySource(Protocol):
    """Keys to read, as a gate does that follows them.

    The methods may block.  Calls never overlap, but come from two threads: first the one that
    loads, then the one that looks for changes.
    """

    def revision(self) -> Hashable:
        """A value that differs from the one before if any key was changed since, by anybody; cheap.

        Raises:
            HeadgateError: the store cannot be read.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Every key, revoked and expired ones too.

        Raises:
            HeadgateError: the store cannot be read.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds; it cannot be used afterwards."""
        ...


class KeyStore(KeySource, Protocol):
    """Keys to read and to change, by their name or id; several processes may each open it.

    Of several keys that had one name, the latest is meant.
    """

    @property
    def location(self) -> str:
        """Where the keys are, for a person."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether the store was made when it was opened."""
        ...

    def create(
        self,
        name: str,
        digest: bytes,
        now: float,
        expires_at: float | None = None,
        roles: Sequence[str] = (),
        hand_over: Callable[[KeyRecord], None] = lambda _record: None,
    ) -> KeyRecord:
        """Add a key, known by the SHA-256 ``digest`` of its secret.

        Args:
            name: what people call it; no other active key has it.
            digest: 32 bytes.
            now: seconds since the epoch, kept as whole seconds.
            expires_at: the same, of its end; ``None``: never.
            roles: their names, each kept once; without any the key may do nothing.
            hand_over: gives the secret to whom it is for, before the key is kept: where it raises,
                there is no key.

        Raises:
            HeadgateError: the name is not fit, or an active key has it; the store fails.
        """
        ...

    def find(self, name_or_id: str) -> KeyRecord:
        """The key of that name or id.

        Raises:
            HeadgateError: no such key, or it cannot be read; the store fails.
        """
        ...

    def revoke(self, name_or_id: str, now: float) -> KeyRecord:
        """End a key for good; one that is revoked already stays as it is.

        Raises:
            HeadgateError: no such key; the store fails.
        """
        ...

    def set_roles(self, name_or_id: str, roles: Sequence[str]) -> KeyRecord:
        """Give a key other roles in place of those it has.

        Raises:
            HeadgateError: no such key, or it is revoked; the store fails.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
