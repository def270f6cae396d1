"""What a gate of schema 3 grants a key in a store of the present schema, and what it may write."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Grant
from headgate.policy import Roles, covers, meet
from headgate.policy.grammar import parse_grant
from headgate.stores.records import KeyRecord
from headgate.stores.sql.older_gates import roles_there
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import NOW, digest, everything, key, principal, put

ROLES = Roles()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqlIdentityStore]:
    with SqlIdentityStore(SqliteDatabase(path)) as store:
        yield store


def there(path: Path) -> dict[str, str]:
    """What an older gate reads: the roles of each key, by its id."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, roles FROM keys ORDER BY serial"))


def by_older_gate(path: Path, statement: str, *values: object) -> None:
    """What such a gate executes, in its own words."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def grants(*roles: str) -> list[Grant]:
    return [each.grant for role in roles for each in ROLES.given(role)]


NAMES = st.lists(
    st.sampled_from(["viewer", "writer", "publisher", "admin", "llm-user"]), unique=True
)


@given(NAMES, NAMES, st.booleans(), st.sampled_from([(), ("read:runs",)]), st.booleans())
def test_an_older_gate_never_grants_more(
    of_key: list[str],
    of_principal: list[str],
    disabled: bool,
    narrowing: tuple[str, ...],
    has_principal: bool,
) -> None:
    record = key(1, roles=tuple(of_key), narrowing=narrowing)
    owner = principal(1, roles=tuple(of_principal), disabled_at=NOW if disabled else None)
    granted = grants(*roles_there(record, owner if has_principal else None))
    allowed = grants(*of_key)
    if has_principal:
        allowed = [] if disabled else list(meet(allowed, grants(*of_principal)))
    if narrowing:
        allowed = list(meet(allowed, [parse_grant(each) for each in narrowing]))
    assert not granted or covers(allowed, granted)


def test_a_disabled_principal_s_keys_mean_nothing_there_until_it_is_enabled(
    store: SqlIdentityStore, path: Path
) -> None:
    owner = principal(1, roles=("writer", "viewer"))
    record = key(1, principal_id=owner.id, roles=("viewer", "publisher"))
    put(store, owner, record)
    assert there(path) == {record.id: "viewer"}
    put(store, replace(owner, disabled_at=NOW))
    assert there(path) == {record.id: ""}
    assert list(everything(store).keys) == [record]
    put(store, replace(owner, roles=("admin",)))
    assert there(path) == {record.id: "viewer publisher"}
    put(store, replace(record, narrowing=("read:runs",)))
    assert there(path) == {record.id: ""}
    assert everything(store).keys[0].roles == record.roles


def test_what_an_older_gate_writes_is_followed(store: SqlIdentityStore, path: Path) -> None:
    """Also between two changes of this version, which would give a reader only those."""
    put(store, principal(1), key(1, principal_id="p_00000001", roles=("viewer",)))
    seen = everything(store)
    by_older_gate(
        path,
        "INSERT INTO keys (id, name, digest, created_at, expires_at, roles) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        *("k_older123", "made there", digest(9), NOW, None, "writer"),
    )
    adopted = KeyRecord("k_older123", "made there", digest(9), NOW, roles=("writer",))
    changes = store.changes(seen.position)
    assert changes is not None
    assert changes.complete
    assert list(changes.keys) == [*seen.keys, adopted]

    put(store, key(2))
    by_older_gate(path, "UPDATE keys SET revoked_at = ? WHERE id = ?", NOW, key(1).id)
    put(store, key(3))
    changes = store.changes(changes.position)
    assert changes is not None
    assert changes.complete
    assert {each.id: each.revoked_at for each in changes.keys}[key(1).id] == NOW

    by_older_gate(
        path, "UPDATE keys SET roles = ?, roles_edition = 2 WHERE id = ?", "publisher", key(1).id
    )
    assert everything(store).keys[0].roles == ("publisher",)
    put(store, principal(1, disabled_at=NOW))
    assert there(path)[key(1).id] == ""
    assert everything(store).keys[0].roles == ("publisher",)


def test_a_key_of_an_older_gate_is_its_own_principal_s(store: SqlIdentityStore, path: Path) -> None:
    """Which has the characters of its id, should it be disabled."""
    by_older_gate(
        path,
        "INSERT INTO keys (id, name, digest, created_at, roles) VALUES (?, ?, ?, ?, ?)",
        *("k_older123", "made there", digest(9), NOW, "writer"),
    )
    put(store, principal(1, id="p_older123", disabled_at=NOW))
    assert there(path) == {"k_older123": ""}
    assert everything(store).keys[0].roles == ("writer",)


def test_rows_that_are_deleted_by_hand_are_noticed(store: SqlIdentityStore, path: Path) -> None:
    put(store, principal(1), key(1), key(2))
    for table in ("keys", "principals"):
        seen = everything(store)
        by_older_gate(path, f"DELETE FROM {table} WHERE serial = 1")  # noqa: S608
        changes = store.changes(seen.position)
        assert changes is not None
        assert changes.complete
    left = everything(store)
    assert [list(left.principals), list(left.keys)] == [[], [key(2)]]
