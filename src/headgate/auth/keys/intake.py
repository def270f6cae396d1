"""Takes what a store says into a keyring, a slice at a time, and says what has changed by that."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from headgate.auth.keys.announcer import Announcer
from headgate.auth.keys.entry import Entry, Owner
from headgate.auth.keys.keyring import Content, Keyring
from headgate.events import (
    BreakGlassKeyMade,
    Emit,
    KeyRevoked,
    KeysGone,
    KeysRevoked,
    KeyUnusable,
    PrincipalDisabled,
    PrincipalEnabled,
    RoleMissing,
)
from headgate.stores.identity import Changes
from headgate.stores.records import KeyRecord, PrincipalRecord

_Record = TypeVar("_Record", KeyRecord, PrincipalRecord, Entry)

SLICE: Final = 200
"""How many keys are taken in between two turns of the event loop: well under a millisecond."""
NAMED: Final = 10
"""How many keys the events of one kind name one by one."""


class Intake:
    """Carries the changes of a store into a keyring.

    Args:
        keyring: what they are taken into.
        emit: takes the events.
        announcer: says what was added and changed; ``None``: another worker does.
    """

    def __init__(self, keyring: Keyring, emit: Emit, announcer: Announcer | None = None) -> None:
        self._keyring: Final = keyring
        self._emit: Final = emit
        self._announcer: Final = announcer
        self._named_for: dict[str, set[str]] = {}  # ids of keys by the missing role
        self.unreadable: tuple[str, ...] = ()

    def take(self, changes: Changes, now: float) -> Iterator[bool]:
        """Take changes in, a slice with each step.

        Yields whether keys that were accepted may mean something else from now on.
        """
        broken = self._note_unreadable(tuple(map(str, changes.unreadable)))
        if changes.complete:
            yield from self._replace(changes, now, broken)
        else:
            yield from self._update(changes, now)

    def review(self, now: float) -> Iterator[None]:
        """Look for roles that do not exist, after others were put in force, a slice at a time."""
        roles = self._keyring.roles
        self._named_for = {
            role: keys for role, keys in self._named_for.items() if role not in roles
        }
        for at, entry in enumerate(list(self._keyring.content.entries.values())):
            self._note_missing(entry, now)
            if at % SLICE == SLICE - 1:
                yield

    # --- some keys --------------------------------------------------------------------------

    def _update(self, changes: Changes, now: float) -> Iterator[bool]:
        content, revoked = self._keyring.content, _Named()
        for principals in _slices(changes.principals):
            changed = False
            for record in principals:
                is_new = record.id not in content.owners
                before = content.put_owner(record)
                if self._announcer is not None:
                    self._announcer.principal(before, record, is_new=is_new)
                if before is not None:
                    changed = True
                    self._note_owner(before, content.owners[record.id])
            if changed:
                self._keyring.work_out_again()
            yield changed
        for keys in _slices(changes.keys):
            changed = False
            for each in keys:
                old, new = content.put_key(each, now)
                changed = changed or old is not None
                if self._announcer is not None:
                    self._announcer.key(old, new, each, moment(new.expires_at))
                self._compare(old, new, now, revoked)
            yield changed
        self._say_revoked(revoked)
        if self._announcer is not None:
            self._announcer.finish()

    # --- all of them ------------------------------------------------------------------------

    def _replace(self, changes: Changes, now: float, broken: int) -> Iterator[bool]:
        before, content = self._keyring.content, Content()
        revoked = _Named()
        for principals in _slices(changes.principals):
            for record in principals:
                content.put_owner(record)
            yield False
        for keys in _slices(changes.keys):
            for each in keys:
                _, new = content.put_key(each, now)
                self._compare(before.by_id.get(new.id), new, now, revoked)
            yield False
        gone = _Named()
        for entries in _slices(list(before.entries.values())):
            gone.add_all(
                each
                for each in entries
                if each.digest not in content.entries and each.is_active(now)
            )
            yield False
        self._keyring.content = content
        self._keyring.work_out_again()
        yield bool(before.entries)
        for owner_id, owner in content.owners.items():
            self._note_owner(before.owners.get(owner_id, owner), owner)
        self._say_revoked(revoked)
        if gone.count > broken:
            self._emit(KeysGone(gone.count, tuple(each.name for each in gone.first)))
        while before.by_id:  # a hundred thousand at a time would hold up the loop
            for _ in range(min(SLICE, len(before.by_id))):
                _, entry = before.by_id.popitem()
                before.entries.pop(entry.digest, None)
            yield False

    # --- what is said of it -----------------------------------------------------------------

    def _compare(self, old: Entry | None, new: Entry, now: float, revoked: _Named) -> None:
        if old is not None:
            new.use = old.use
            if old.expires_at == new.expires_at:
                new.notices = old.notices
            if new.revoked and not old.revoked and old.expires_at > now:
                revoked.add(new)
        if new.break_glass and (old is None or not old.break_glass) and new.is_active(now):
            expires = moment(new.expires_at)
            self._emit(
                BreakGlassKeyMade(
                    new.name, new.id, new.owner.name, new.created_by, new.break_glass, expires
                )
            )
        self._note_missing(new, now)

    def _note_owner(self, before: Owner, after: Owner) -> None:
        if after.disabled and not before.disabled:
            self._emit(PrincipalDisabled(after.name, after.id))
        elif before.disabled and not after.disabled:
            self._emit(PrincipalEnabled(after.name, after.id))

    def _say_revoked(self, revoked: _Named) -> None:
        for each in revoked.first:
            self._emit(KeyRevoked(each.name, each.id))
        if revoked.count > NAMED:
            self._emit(KeysRevoked(revoked.count - NAMED))

    def _note_unreadable(self, unreadable: tuple[str, ...]) -> int:
        """Emit those that were not emitted yet; how many."""
        known = set(self.unreadable)
        new = [each for each in unreadable if each not in known]
        for each in new[:NAMED]:
            self._emit(KeyUnusable(each))
        if len(new) > NAMED:
            self._emit(KeyUnusable(f"and {len(new) - NAMED} more, which headgate keys list shows"))
        self.unreadable = unreadable
        return len(new)

    def _note_missing(self, entry: Entry, now: float) -> None:
        missing = self._keyring.missing_roles(entry)
        if not missing or not entry.is_active(now):
            return
        for role in missing:
            named = self._named_for.setdefault(role, set())
            if len(named) < NAMED and entry.id not in named:
                named.add(entry.id)
                self._emit(RoleMissing(entry.name, entry.id, role))


class _Named:
    """How many keys something happened to, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(entry)

    def add_all(self, entries: Iterable[Entry]) -> None:
        for each in entries:
            self.add(each)


def moment(seconds: float) -> str:
    """A moment as in RFC 3339; ``never`` for ``inf``."""
    if seconds == float("inf"):
        return "never"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _slices(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    found: list[_Record] = []
    for each in records:
        found.append(each)
        if len(found) == SLICE:
            yield found
            found = []
    if found:
        yield found
