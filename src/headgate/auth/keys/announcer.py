"""Says what others have changed in the key store: on the command line, or through another gate."""

from __future__ import annotations

from typing import Final

from headgate.auth.keys.entry import Entry, Owner
from headgate.events import (
    Emit,
    KeyAdded,
    KeyAltered,
    PrincipalAdded,
    PrincipalAltered,
    StoreChanged,
)
from headgate.stores.records import KeyRecord, PrincipalRecord

NAMED: Final = 10
"""How many changes are named one by one, of those that are found together."""


class Announcer:
    """Emits an event for each change, or how many more there were.

    Args:
        emit: takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._named = 0
        self._more = 0

    def principal(self, before: Owner | None, record: PrincipalRecord, *, is_new: bool) -> None:
        """A principal was found that is new or changed; ``before``: its old self."""
        if is_new:
            self._say(
                PrincipalAdded(
                    record.name, record.id, record.kind.value, record.created_by, record.roles
                )
            )
        elif before is not None and (before.name, before.roles or ()) != (
            record.name,
            record.roles,
        ):
            self._say(PrincipalAltered(record.name, record.id, record.roles, before.name))

    def key(self, before: Entry | None, entry: Entry, record: KeyRecord, ends: str) -> None:
        """A key was found that is new or changed; ``before``: its old self."""
        if before is None:
            if not record.break_glass and record.revoked_at is None:
                self._say(
                    KeyAdded(
                        record.name,
                        record.id,
                        entry.owner.name,
                        record.created_by,
                        record.roles,
                        ends,
                    )
                )
            return
        changed = tuple(
            name
            for name, is_other in (
                ("roles", before.roles != entry.roles),
                ("narrowing", before.narrowing != entry.narrowing),
                ("expires", before.expires_at != entry.expires_at),
            )
            if is_other
        )
        if changed and not entry.revoked:
            self._say(KeyAltered(record.name, record.id, changed, record.roles, ends))

    def finish(self) -> None:
        """All changes that were found together were announced."""
        if self._more:
            self._emit(StoreChanged(self._more))
        self._named = self._more = 0

    def _say(self, event: KeyAdded | KeyAltered | PrincipalAdded | PrincipalAltered) -> None:
        if self._named < NAMED:
            self._named += 1
            self._emit(event)
        else:
            self._more += 1
