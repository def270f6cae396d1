"""Stores of principals and keys in memory."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from headgate.errors import HeadgateError
from headgate.stores.identity import Changes, Position, Transaction
from headgate.stores.records import (
    FirstKey,
    KeyRecord,
    KeyUse,
    PrincipalRecord,
    UnreadableKey,
)

_Record = TypeVar("_Record")


class MemoryIdentityStore:
    """An ``IdentityStore`` of this process alone, which keeps its content when it is closed.

    Attributes:
        failure: raised by whatever reads or writes the store, while it is set.
        polls: how often ``changes`` was called.
        recorded: what ``record_uses`` was called with.
    """

    location = "memory"
    is_new = True

    def __init__(self) -> None:
        self.failure: HeadgateError | None = None
        self.polls = 0
        self.recorded: list[KeyUse] = []
        self.damaged: list[UnreadableKey] = []
        self._content = _Content()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """See ``IdentitySource``."""

    def changes(self, since: Position | None) -> Changes | None:
        """See ``IdentitySource``."""
        with self._lock:
            self.polls += 1
            self._fail()
            content = self._content
            position = Position(content.sequence, content.tokens[content.sequence])
            if since == position:
                return None
            known = since is not None and content.tokens.get(since.sequence) == since.token
            after = since.sequence if since is not None and known else -1
            return Changes(
                position,
                complete=not known,
                principals=_changed_after(after, content.principals, content),
                keys=_changed_after(after, content.keys, content),
                unreadable=tuple(self.damaged),
            )

    def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """See ``IdentitySource``."""
        with self._lock:
            self._fail()
            self.recorded.extend(uses)
            for use in uses:
                before = self._content.uses.get(use.key_id)
                if use.key_id in self._content.keys and (
                    before is None or before.used_at <= use.used_at
                ):
                    self._content.uses[use.key_id] = use

    def damage(self, unreadable: UnreadableKey) -> None:
        """Let the store have a key that cannot be read, as somebody's hand may leave it."""
        with self._lock:
            self.damaged.append(unreadable)
            self._content.count_change()

    def saved(self) -> object:
        """A backup, for ``restore``."""
        with self._lock:
            return self._content.copy()

    def restore(self, backup: object) -> None:
        """Put a backup in the place of what the store holds."""
        if not isinstance(backup, _Content):
            raise TypeError("not what saved() gave")
        with self._lock:
            self._content = backup.copy()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See ``IdentityStore``."""
        with self._lock:
            self._fail()
            draft = self._content.copy()
            transaction = _MemoryTransaction(draft, self.damaged, writable=True)
            yield transaction
            self._fail()
            if transaction.changed:
                self._content = draft

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """See ``IdentityStore``."""
        with self._lock:
            self._fail()
            yield _MemoryTransaction(self._content, self.damaged, writable=False)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class _Content:
    """What is kept; ``changed`` has the sequence number of each record's last change, by its id."""

    sequence: int = 0
    tokens: dict[int, str] = field(default_factory=lambda: {0: _token()})
    principals: dict[str, PrincipalRecord] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    uses: dict[str, KeyUse] = field(default_factory=dict)
    first_key: FirstKey | None = None

    def copy(self) -> _Content:
        return _Content(
            self.sequence,
            dict(self.tokens),
            dict(self.principals),
            dict(self.keys),
            dict(self.changed),
            dict(self.uses),
            self.first_key,
        )

    def count_change(self) -> None:
        self.sequence += 1
        self.tokens[self.sequence] = _token()


class _MemoryTransaction:
    def __init__(
        self, content: _Content, damaged: Sequence[UnreadableKey], *, writable: bool
    ) -> None:
        self.changed = False
        self._content = content
        self._damaged = damaged
        self._writable = writable

    def principals(self) -> Sequence[PrincipalRecord]:
        return tuple(self._content.principals.values())

    def principal(self, name_or_id: str) -> PrincipalRecord | None:
        for record in self._content.principals.values():
            if name_or_id in {record.id, record.name}:
                return record
        return None

    def keys(self, principal_id: str | None = None) -> Sequence[KeyRecord]:
        return tuple(
            record
            for record in self._content.keys.values()
            if principal_id is None or record.principal_id == principal_id
        )

    def key(self, name_or_id: str) -> KeyRecord | UnreadableKey | None:
        if name_or_id in self._content.keys:
            return self._content.keys[name_or_id]
        for record in reversed(self._content.keys.values()):
            if record.name == name_or_id:
                return record
        for unreadable in self._damaged:
            if name_or_id and repr(name_or_id) in unreadable.label:
                return unreadable
        return None

    def key_with(self, digest: bytes) -> KeyRecord | None:
        return next(
            (record for record in self._content.keys.values() if record.digest == digest), None
        )

    def unreadable(self) -> Sequence[UnreadableKey]:
        return tuple(self._damaged)

    def key_page(
        self,
        after: int,
        limit: int,
        *,
        principal_id: str | None = None,
        name: str | None = None,
    ) -> Sequence[tuple[int, KeyRecord | UnreadableKey]]:
        own = "k_" + (principal_id or "").removeprefix("p_")
        found = [
            (at, record)
            for at, record in enumerate(self._content.keys.values(), 1)
            if at > after
            and name in {None, record.name}
            and (
                principal_id in {None, record.principal_id}
                or (not record.principal_id and record.id == own)
            )
        ]
        return found[:limit]

    def principal_page(
        self, after: int, limit: int
    ) -> Sequence[tuple[int, PrincipalRecord | UnreadableKey]]:
        numbered = list(enumerate(self._content.principals.values(), 1))
        return numbered[after : after + limit]

    def replacements(self, keys: Sequence[KeyRecord]) -> Mapping[str, str]:
        wanted = {each.id for each in keys}
        return {
            record.replaces: record.id
            for record in self._content.keys.values()
            if record.replaces in wanted
        }

    def uses(self, key_ids: Sequence[str] | None = None) -> Mapping[str, KeyUse]:
        uses = self._content.uses
        if key_ids is None:
            return dict(uses)
        return {each: uses[each] for each in key_ids if each in uses}

    def put_principal(self, record: PrincipalRecord) -> None:
        for other in self._content.principals.values():
            if other.name == record.name and other.id != record.id:
                raise HeadgateError(f"the principal {other.id} has the name '{other.name}' already")
        self._stamp(record.id)
        self._content.principals[record.id] = record

    def put_key(self, record: KeyRecord) -> None:
        for other in self._content.keys.values():
            if other.digest == record.digest and other.id != record.id:
                raise HeadgateError(f"the key {other.id} has that digest already")
        self._stamp(record.id)
        self._content.keys[record.id] = record

    def first_key(self) -> FirstKey | None:
        return self._content.first_key

    def put_first_key(self, taken: FirstKey) -> None:
        if self._content.first_key is not None:
            raise HeadgateError("the store has taken its first key already")
        self._stamp("")
        self._content.first_key = taken

    def _stamp(self, record_id: str) -> None:
        if not self._writable:
            raise TypeError("nothing may be put while reading")
        if not self.changed:
            self._content.count_change()
            self.changed = True
        self._content.changed[record_id] = self._content.sequence


def _changed_after(
    sequence: int, records: Mapping[str, _Record], content: _Content
) -> tuple[_Record, ...]:
    return tuple(record for key, record in records.items() if content.changed[key] > sequence)


def _token() -> str:
    return secrets.token_hex(8)
