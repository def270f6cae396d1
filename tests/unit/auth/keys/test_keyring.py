"""All keys in memory."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.auth.keys.keyring import Keyring
from headgate.events import (
    BreakGlassKeyMade,
    Event,
    KeyRevoked,
    KeysGone,
    KeysRevoked,
    PrincipalDisabled,
    PrincipalEnabled,
    RoleMissing,
)
from headgate.model import Action, AuthMethod, Principal
from headgate.policy import Role, Roles
from headgate.stores.records import KeyRecord, PrincipalRecord
from tests.support.keyrings import NOW, keyring_of, principal, put

TEAM = Roles({"team": Role("", ("read:runs",))})
OTHER_TEAM = Roles({"team": Role("", ("write:runs",))})


def row(
    number: int,
    *,
    expires_at: int | None = None,
    revoked_at: int | None = None,
    roles: tuple[str, ...] = (),
    owner: int = 1,
    narrowing: tuple[str, ...] = (),
) -> KeyRecord:
    return KeyRecord(
        id=f"k_{number:08}",
        name=f"key {number}",
        digest=bytes([number]) * 32,
        created_at=0,
        expires_at=expires_at,
        revoked_at=revoked_at,
        roles=roles,
        principal_id=f"p_{owner:08}" if owner else "",
        narrowing=narrowing,
    )


def holder(keyring: Keyring, number: int = 1) -> Principal:
    entry = keyring.find(bytes([number]) * 32)
    assert entry is not None
    return keyring.holder(entry, NOW)


def on_runs(keyring: Keyring, number: int = 1) -> tuple[Action, ...] | None:
    return holder(keyring, number).grants.everywhere.get("runs")


def test_every_key_is_found_by_its_digest() -> None:
    """Revoked and expired ones too, so that the refusal can say what happened."""
    keys = [row(1), row(2, revoked_at=5), row(3, expires_at=999)]
    keyring = keyring_of(keys, [principal()])
    entries = [keyring.find(each.digest) for each in keys]
    assert [each.id for each in entries if each is not None] == [each.id for each in keys]
    assert [each.revoked for each in entries if each is not None] == [False, True, False]
    assert [each.expires_at for each in entries if each] == [math.inf, math.inf, 999.0]
    assert keyring.find(b"\x09" * 32) is None
    assert keyring.content.active == 1


def test_a_key_of_an_older_gate_obeys_a_principal_that_was_made_of_it() -> None:
    """Whichever of the two is read first."""
    key, owner = row(1, owner=0, roles=("team",)), replace(principal(1), disabled_at=5)
    before = keyring_of([key], [owner], roles=TEAM)
    after = keyring_of([key], [], roles=TEAM)
    after.content.put_owner(owner)
    for keyring in (before, after):
        entry = keyring.find(key.digest)
        assert entry is not None
        assert entry.owner.disabled
        assert keyring.content.active == 0


def test_a_holder_is_the_principal_and_the_credential_the_key() -> None:
    keyring = keyring_of([row(1), row(2, owner=0)], [principal(1, "team a")])
    expected = Principal("p_00000001", "team a", AuthMethod.KEY, credential="k_00000001")
    assert holder(keyring) == expected
    assert holder(keyring).grants.holder == "key 1"
    own = Principal("p_00000002", "key 2", AuthMethod.KEY, credential="k_00000002")
    assert holder(keyring, 2) == own
    assert holder(keyring) is holder(keyring)


def test_a_key_may_do_what_its_roles_its_owner_and_its_narrowing_all_allow() -> None:
    keys = [
        row(1, roles=("writer",)),
        row(2, roles=("writer",), owner=2),
        row(3, roles=("writer",), narrowing=("read:runs", "write:runs on experiment a/*")),
        row(4, roles=("admin",), narrowing=("not a grant",)),
    ]
    keyring = keyring_of(keys, [principal(1), principal(2, roles=("viewer",))])
    assert set(on_runs(keyring) or ()) == {Action.READ, Action.WRITE, Action.DELETE}
    assert on_runs(keyring, 2) == (Action.READ,)
    assert on_runs(keyring, 3) == (Action.READ,)
    assert "experiments" not in holder(keyring, 3).grants.by_family
    assert holder(keyring, 4).grants.by_family == {}


def test_other_roles_of_an_owner_count_for_its_keys() -> None:
    keyring = keyring_of([row(1, roles=("writer",))], [principal()])
    before = holder(keyring)
    assert put(keyring, [], [principal(roles=("viewer",))])
    assert on_runs(keyring) == (Action.READ,)
    assert before.grants.everywhere["runs"] != (Action.READ,)


def test_other_roles_of_the_configuration_count_for_all_keys() -> None:
    keyring = keyring_of([row(1, roles=("team",))], [principal()], TEAM)
    assert on_runs(keyring) == (Action.READ,)
    keyring.regrant(OTHER_TEAM)
    assert on_runs(keyring) == (Action.WRITE,)


def test_a_new_key_changes_nothing_for_the_others_and_a_changed_one_does() -> None:
    keyring = keyring_of([row(1)], [principal()])
    assert not put(keyring, [row(2)], [principal(2)])
    assert put(keyring, [replace(row(2), name="other")])
    assert not put(keyring, [], [principal()])


def test_a_key_whose_digest_was_replaced_is_no_longer_found_by_the_old_one() -> None:
    keyring = keyring_of([row(1)], [principal()])
    assert put(keyring, [replace(row(1), digest=b"new" * 8 + b"12345678")])
    assert keyring.find(b"\x01" * 32) is None
    assert keyring.content.active == 1


def test_what_happens_is_said() -> None:
    events: list[Event] = []
    keyring = keyring_of([row(1), row(2)], [principal(1, "team a")])
    put(
        keyring, [row(1, revoked_at=5)], [principal(1, "team a", disabled_at=5)], emit=events.append
    )
    put(keyring, [], [principal(1, "team a")], emit=events.append)
    put(keyring, [row(3, roles=("gone",))], emit=events.append)
    put(
        keyring, [row(1, revoked_at=5)], [principal(1, "team a")], complete=True, emit=events.append
    )
    assert events == [
        PrincipalDisabled("team a", "p_00000001"),
        KeyRevoked("key 1", "k_00000001"),
        PrincipalEnabled("team a", "p_00000001"),
        RoleMissing("key 3", "k_00000003", "gone"),
        KeysGone(2, ("key 2", "key 3")),
    ]


def test_a_key_for_an_emergency_is_announced_when_it_is_first_seen() -> None:
    events: list[Event] = []
    key = replace(row(1, expires_at=2_000), break_glass="no database", created_by="p_00000009")
    keyring = Keyring()
    put(keyring, [key], [principal(1, "break-glass")], complete=True, emit=events.append)
    put(keyring, [key], complete=False, emit=events.append)
    assert events == [
        BreakGlassKeyMade(
            "key 1",
            "k_00000001",
            "break-glass",
            "p_00000009",
            "no database",
            "1970-01-01T00:33:20Z",
        )
    ]


def test_of_many_keys_that_are_revoked_together_some_are_named() -> None:
    keys = [row(number) for number in range(1, 31)]
    keyring = keyring_of(keys, [principal()])
    events: list[Event] = []
    put(keyring, [replace(each, revoked_at=5) for each in keys], emit=events.append)
    assert events[-1] == KeysRevoked(20)
    assert len(events) == 11


numbers = st.integers(1, 6)
keys = st.builds(
    row,
    numbers,
    expires_at=st.none() | st.sampled_from([900, 1_010, 1_500]),
    revoked_at=st.none() | st.just(5),
    owner=st.integers(0, 3),
)
principals = st.builds(principal, st.integers(1, 3), disabled_at=st.none() | st.just(5))
changes = st.tuples(
    st.booleans(), st.lists(keys, max_size=4), st.lists(principals, max_size=3), st.integers(0, 9)
)


@settings(max_examples=200)
@given(st.lists(changes, max_size=6))
def test_the_active_keys_are_counted_as_they_change(
    steps: list[tuple[bool, list[KeyRecord], list[PrincipalRecord], int]],
) -> None:
    keyring, now = Keyring(), NOW
    for complete, some, owners, seconds in steps:
        put(keyring, some, owners, complete=complete, now=now)
        now += seconds
        keyring.content.settle(now)
        entries = keyring.content.entries.values()
        assert keyring.content.active == sum(each.is_active(now) for each in entries)
        assert {each.id for each in entries} == set(keyring.content.by_id)
