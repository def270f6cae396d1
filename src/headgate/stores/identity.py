"""What a store of principals and keys can do, whatever it is built on.

``tests/unit/stores/test_identity_stores.py`` holds every implementation to it.  No store ever sees
a key: it has the SHA-256 of its secret.  What may be written is for ``headgate.identity`` to say;
a store keeps what it is given, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from headgate.errors import HeadgateError
from headgate.stores.records import (
    FirstKey,
    KeyRecord,
    KeyUse,
    PrincipalRecord,
    UnreadableKey,
)


class StoreUnreachableError(HeadgateError):
    """The store cannot be reached now, and may be later: its database server is down.

    A gate starts all the same, and serves once the store can be read.  For all else that is wrong
    with a store, a gate does not start.
    """


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has followed the changes of a store.

    Attributes:
        sequence: the number of the last change that was read.
        token: drawn at random for that change: in a store that was restored from a backup, another
            change may bear the same number.
    """

    sequence: int
    token: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reader has not seen yet.

    Attributes:
        position: up to where.
        complete: whether these are all principals and keys that there are, and not only those that
            were changed.
        principals: revoked, expired and disabled ones too, oldest first.
        keys: the same.
        unreadable: the keys that cannot be used, all of them.
    """

    position: Position
    complete: bool
    principals: Sequence[PrincipalRecord] = ()
    keys: Sequence[KeyRecord] = ()
    unreadable: Sequence[UnreadableKey] = ()


class IdentitySource(Protocol):
    """Principals and keys to read, as a gate does that follows them.

    The methods may block.  Calls never overlap, but come from several threads.
    """

    def changes(self, since: Position | None) -> Changes | None:
        """What has changed after ``since``, by anybody; ``None``: nothing.  Cheap if nothing has.

        Everything there is (``complete``) for ``None``, and where the store cannot tell what has
        changed, such as after a backup was put in its place.

        Raises:
            StoreUnreachableError: the store cannot be reached now.
            HeadgateError: the store cannot be read.
        """
        ...

    def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """Keep when keys were last used.  It is no change: no reader is shown it.

        Of several uses of one key the latest counts, whatever the order in which they arrive.

        Raises:
            HeadgateError: the store cannot be written.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds; it cannot be used afterwards."""
        ...


class Transaction(Protocol):
    """One change of a store, kept whole or not at all; no other change is made meanwhile.

    Names and ids are matched exactly; callers normalise them.
    """

    def principals(self) -> Sequence[PrincipalRecord]:
        """Every principal, oldest first."""
        ...

    def principal(self, name_or_id: str) -> PrincipalRecord | None:
        """The principal of that name or id, if there is one."""
        ...

    def keys(self, principal_id: str | None = None) -> Sequence[KeyRecord]:
        """Every key, or those of one principal, oldest first; none that cannot be read."""
        ...

    def key(self, name_or_id: str) -> KeyRecord | UnreadableKey | None:
        """The key of that id, or the latest of that name, if there is one."""
        ...

    def key_with(self, digest: bytes) -> KeyRecord | None:
        """The key with that SHA-256, if there is one."""
        ...

    def unreadable(self) -> Sequence[UnreadableKey]:
        """The keys that cannot be read."""
        ...

    def key_page(
        self,
        after: int,
        limit: int,
        *,
        principal_id: str | None = None,
        name: str | None = None,
    ) -> Sequence[tuple[int, KeyRecord | UnreadableKey]]:
        """At most ``limit`` keys from after the number ``after`` on, each with its number.

        Numbers begin at 1 and follow the order in which keys were made; that of a key never
        changes.  ``principal_id``: of that principal alone, its own account's key of an older
        schema included; empty: of keys without one.  ``name``: of that name alone.
        """
        ...

    def principal_page(
        self, after: int, limit: int
    ) -> Sequence[tuple[int, PrincipalRecord | UnreadableKey]]:
        """The same for principals."""
        ...

    def replacements(self, keys: Sequence[KeyRecord]) -> Mapping[str, str]:
        """For each of some keys that was replaced, the id of the latest that replaces it."""
        ...

    def uses(self, key_ids: Sequence[str] | None = None) -> Mapping[str, KeyUse]:
        """The last use of each of these keys, or of all, by the id of those that were used."""
        ...

    def put_principal(self, record: PrincipalRecord) -> None:
        """Keep a principal, in place of the one with its id if there is one."""
        ...

    def put_key(self, record: KeyRecord) -> None:
        """Keep a key, in place of the one with its id if there is one."""
        ...

    def first_key(self) -> FirstKey | None:
        """What was taken as the store's first key by digest, if anything ever was."""
        ...

    def put_first_key(self, taken: FirstKey) -> None:
        """Note for good that the store has taken its first key by digest."""
        ...


class Transactions(Protocol):
    """Principals and keys to read and to change, one transaction at a time."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Change the store: kept when the block ends, dropped when it raises.

        Changes wait for each other, so what a block has read stays true until it ends.

        Raises:
            HeadgateError: the store cannot be read or written.
        """
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Read the store as it is at one moment; nothing may be put.

        Raises:
            HeadgateError: the store cannot be read.
        """
        ...


class IdentityStore(IdentitySource, Transactions, Protocol):
    """Principals and keys to read and to change; several processes may each open it."""

    @property
    def location(self) -> str:
        """Where it is, for a person; without any secret."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether the store was made when it was opened."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
