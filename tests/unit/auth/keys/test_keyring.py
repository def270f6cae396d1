"""The snapshot of all keys."""

from __future__ import annotations

import math

from headgate.auth.keys.keyring import Keyring
from headgate.model import Action, AuthMethod, Principal
from headgate.policy import Role, Roles
from headgate.stores import KeyRecord

NOW = 1_000
TEAM = Roles({"team": Role("", ("read:runs",))})
OTHER_TEAM = Roles({"team": Role("", ("write:runs",))})


def row(
    number: int,
    *,
    expires_at: int | None = None,
    revoked_at: int | None = None,
    roles: tuple[str, ...] = (),
) -> KeyRecord:
    return KeyRecord(
        id=f"k_{number:08}",
        name=f"key {number}",
        digest=bytes([number]) * 32,
        created_at=0,
        expires_at=expires_at,
        revoked_at=revoked_at,
        roles=roles,
    )


def actions_on_runs(keyring: Keyring) -> list[tuple[Action, ...] | None]:
    return [entry.principal.grants.everywhere.get("runs") for entry in keyring.entries.values()]


def test_the_first_keyring_is_empty() -> None:
    assert Keyring.empty().entries == {}


def test_every_row_is_found_by_its_digest() -> None:
    """Revoked and expired ones too, so that the refusal can say what happened."""
    keyring = Keyring.empty().with_records(
        [row(1), row(2, revoked_at=5), row(3, expires_at=NOW - 1)]
    )
    assert [entry.principal for entry in keyring.entries.values()] == [
        Principal(f"k_0000000{number}", f"key {number}", AuthMethod.KEY) for number in (1, 2, 3)
    ]
    assert [entry.revoked for entry in keyring.entries.values()] == [False, True, False]
    assert [entry.expires_at for entry in keyring.entries.values()] == [math.inf, math.inf, NOW - 1]
    assert keyring.entries.get(b"\x09" * 32) is None


def test_new_rows_replace_the_old_ones_in_a_keyring_of_their_own() -> None:
    first = Keyring.empty().with_records([row(1)])
    second = first.with_records([row(2)])
    assert list(second.entries) == [b"\x02" * 32]
    assert list(first.entries) == [b"\x01" * 32]


def test_a_key_may_do_what_its_roles_say() -> None:
    keyring = Keyring.empty(TEAM).with_records([row(1, roles=("team",)), row(2)])
    assert actions_on_runs(keyring) == [(Action.READ,), None]


def test_other_roles_make_a_new_keyring_of_the_same_keys() -> None:
    keyring = Keyring.empty(TEAM).with_records([row(1, roles=("team",), expires_at=2_000)])
    regranted = keyring.with_roles(OTHER_TEAM)
    assert list(regranted.entries) == list(keyring.entries)
    assert [each.expires_at for each in regranted.entries.values()] == [2_000]
    assert actions_on_runs(regranted) == [(Action.WRITE,)]
    assert actions_on_runs(keyring) == [(Action.READ,)]
    assert actions_on_runs(regranted.with_records([row(2, roles=("team",))])) == [(Action.WRITE,)]


def test_roles_that_do_not_exist_are_reported_for_valid_keys() -> None:
    keyring = Keyring.empty(TEAM).with_records(
        [
            row(1, roles=("team", "gone")),
            row(2, roles=("gone",), revoked_at=1),
            row(3, roles=("gone",), expires_at=NOW),
        ]
    )
    assert [(holder.id, role) for holder, role in keyring.missing_roles(NOW)] == [
        ("k_00000001", "gone")
    ]
