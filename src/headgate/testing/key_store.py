"""A store of keys in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from headgate.stores.keys import Snapshot
from headgate.stores.naming import (
    is_id,
    name_taken,
    new_record,
    no_such_key,
    normalised,
    revoked_already,
)
from headgate.stores.records import ROLES_EDITION, KeyRecord, KeyState


class MemoryKeyStore:
    """A ``KeyStore`` of this process alone, which keeps its keys when it is closed."""

    location = "memory"
    is_new = True

    def __init__(self) -> None:
        self._records: list[KeyRecord] = []
        self._revision = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """See ``KeySource``."""

    def revision(self) -> int:
        """See ``KeySource``."""
        return self._revision

    def snapshot(self) -> Snapshot:
        """See ``KeySource``."""
        return Snapshot(list(self._records))

    def create(
        self,
        name: str,
        digest: bytes,
        now: float,
        expires_at: float | None = None,
        roles: Sequence[str] = (),
        hand_over: Callable[[KeyRecord], None] = lambda _record: None,
    ) -> KeyRecord:
        """See ``KeyStore``."""
        record = new_record(name, digest, now, expires_at, roles)
        for each in self._records:
            if each.name == record.name and each.state(now) is KeyState.ACTIVE:
                raise name_taken(each)
        hand_over(record)
        self._records.append(record)
        self._revision += 1
        return record

    def find(self, name_or_id: str) -> KeyRecord:
        """See ``KeyStore``."""
        return self._records[self._at(name_or_id)]

    def revoke(self, name_or_id: str, now: float) -> KeyRecord:
        """See ``KeyStore``."""
        at = self._at(name_or_id)
        if self._records[at].revoked_at is None:
            self._change(at, replace(self._records[at], revoked_at=int(now)))
        return self._records[at]

    def set_roles(self, name_or_id: str, roles: Sequence[str]) -> KeyRecord:
        """See ``KeyStore``."""
        at = self._at(name_or_id)
        record = self._records[at]
        if record.revoked_at is not None:
            raise revoked_already(record)
        names = tuple(dict.fromkeys(roles))
        self._change(at, replace(record, roles=names, roles_edition=ROLES_EDITION))
        return self._records[at]

    def _change(self, at: int, record: KeyRecord) -> None:
        self._records[at] = record
        self._revision += 1

    def _at(self, name_or_id: str) -> int:
        """Where the key meant is; of several with one name, the latest."""
        wanted = normalised(name_or_id)
        for at in reversed(range(len(self._records))):
            record = self._records[at]
            if wanted == (record.id if is_id(wanted) else record.name):
                return at
        raise no_such_key(wanted)
