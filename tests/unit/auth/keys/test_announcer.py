"""What was changed in the store is said once, by name up to a limit, and never a secret."""

from __future__ import annotations

import dataclasses
import hashlib

from headgate.auth.keys.announcer import NAMED, Announcer
from headgate.auth.keys.intake import Intake
from headgate.auth.keys.keyring import Keyring
from headgate.events import (
    Event,
    KeyAdded,
    KeyAltered,
    PrincipalAdded,
    PrincipalAltered,
    StoreChanged,
)
from headgate.stores.identity import Changes, Position
from headgate.stores.records import KeyRecord, PrincipalRecord
from tests.support.keyrings import NOW, principal

OWNER = principal(1, "team-a")


def key(number: int, **different: object) -> KeyRecord:
    record = KeyRecord(
        f"k_{number:08}",
        f"key {number}",
        hashlib.sha256(str(number).encode()).digest(),
        created_at=0,
        roles=("admin",),
        principal_id=OWNER.id,
        created_by="cli",
    )
    return dataclasses.replace(record, **different)  # type: ignore[arg-type]


class Store:
    """What a worker reads, change by change."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._intake = Intake(Keyring(), self.events.append, Announcer(self.events.append))
        self._read([key(1)], [OWNER], complete=True)

    def changes(self, *records: KeyRecord | PrincipalRecord) -> list[Event]:
        """The events of records that have changed."""
        self.events.clear()
        self._read(
            [each for each in records if isinstance(each, KeyRecord)],
            [each for each in records if isinstance(each, PrincipalRecord)],
            complete=False,
        )
        return self.events

    def _read(
        self, keys: list[KeyRecord], principals: list[PrincipalRecord], *, complete: bool
    ) -> None:
        changes = Changes(Position(1, "a"), complete, principals, keys)
        for _ in self._intake.take(changes, NOW):
            pass


def test_what_is_there_at_the_start_is_no_change() -> None:
    assert Store().events == []


def test_what_is_new_says_who_made_it() -> None:
    assert Store().changes(principal(2, "bob"), key(2, expires_at=1_800_000_000)) == [
        PrincipalAdded("bob", "p_00000002", "service", "", ("admin",)),
        KeyAdded("key 2", "k_00000002", "team-a", "cli", ("admin",), "2027-01-15T08:00:00Z"),
    ]


def test_what_is_changed_says_what() -> None:
    store = Store()
    assert store.changes(key(1, roles=("viewer",), narrowing=("read:runs",))) == [
        KeyAltered("key 1", "k_00000001", ("roles", "narrowing"), ("viewer",), "never")
    ]
    assert store.changes(key(1, roles=("viewer",), narrowing=("read:runs",))) == []
    assert store.changes(principal(1, "team-b", ("viewer",))) == [
        PrincipalAltered("team-b", OWNER.id, ("viewer",), "team-a")
    ]
    assert store.changes(principal(1, "team-b", ("viewer",))) == []


def test_a_revoked_key_and_one_for_an_emergency_have_events_of_their_own() -> None:
    kinds = [type(each).__name__ for each in Store().changes(key(1, revoked_at=5))]
    assert kinds == ["KeyRevoked"]
    kinds = [type(each).__name__ for each in Store().changes(key(3, break_glass="fire"))]
    assert kinds == ["BreakGlassKeyMade"]


def test_many_changes_are_counted() -> None:
    store = Store()
    events = store.changes(*(key(number) for number in range(2, 2 + NAMED + 5)))
    assert len(events) == NAMED + 1
    assert events[-1] == StoreChanged(5)
    assert len(store.changes(key(100))) == 1
