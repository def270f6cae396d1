"""The first key: made once, never lost unseen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headgate.auth.keys import form
from headgate.auth.keys.issuing import issue
from headgate.cli import first_key
from headgate.stores import KeyState
from headgate.stores.sqlite.keys import SqliteKeyStore


def states(database: Path) -> list[tuple[str, KeyState]]:
    with SqliteKeyStore(database) as store:
        return [(record.name, record.state(time.time())) for record in store.snapshot().records]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


def test_an_empty_store_gets_a_key_that_opens_the_gate(database: Path) -> None:
    with first_key.ensure(lambda: SqliteKeyStore(database)) as first:
        first.was_shown = True

    assert first.secret is not None
    assert first.others == ()
    with SqliteKeyStore(database) as store:
        (record,) = store.snapshot().records
    assert record.digest == form.digest(first.secret)
    assert record.roles == ("admin",)
    assert states(database) == [("first", KeyState.ACTIVE)]


def test_a_store_with_a_working_key_is_left_alone(database: Path) -> None:
    with SqliteKeyStore(database) as store:
        issue(store, "ci", time.time())

    with first_key.ensure(lambda: SqliteKeyStore(database)) as first:
        pass

    assert (first.secret, first.others) == (None, ("ci",))
    assert states(database) == [("ci", KeyState.ACTIVE)]


def test_keys_that_work_no_more_do_not_count(database: Path) -> None:
    with SqliteKeyStore(database) as store:
        issue(store, "ci", time.time() - 20, time.time() - 10)
        issue(store, "first", time.time())
        store.revoke("first", time.time())

    with first_key.ensure(lambda: SqliteKeyStore(database)) as first:
        first.was_shown = True

    assert first.secret is not None
    assert states(database)[-1] == ("first", KeyState.ACTIVE)


def test_a_key_that_nobody_saw_is_revoked_so_that_the_next_start_makes_another(
    database: Path,
) -> None:
    with pytest.raises(KeyboardInterrupt), first_key.ensure(lambda: SqliteKeyStore(database)):
        raise KeyboardInterrupt

    with first_key.ensure(lambda: SqliteKeyStore(database)) as second:
        second.was_shown = True

    assert second.secret is not None
    assert states(database) == [("first", KeyState.REVOKED), ("first", KeyState.ACTIVE)]
