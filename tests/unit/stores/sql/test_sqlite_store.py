"""A SQLite file as an identity store: what other stores have not."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores.records import FirstKey, UnreadableKey
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import NOW, digest, everything, key, put
from tests.unit.stores.older import SCHEMA_2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqlIdentityStore]:
    with opened(path) as store:
        yield store


def opened(path: Path, *, create: bool = True) -> SqlIdentityStore:
    return SqlIdentityStore(SqliteDatabase(path, create=create))


def names(store: SqlIdentityStore) -> list[str]:
    return [record.name for record in everything(store).keys]


def test_a_failed_change_leaves_no_lock_behind(store: SqlIdentityStore, path: Path) -> None:
    put(store, key(1))
    with pytest.raises(HeadgateError, match="another key has that SHA-256 already"):
        put(store, key(2, digest=digest(1)))
    with pytest.raises(HeadgateError, match="CHECK constraint"):
        put(store, key(2, digest=b"short"))
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")


def test_a_store_put_in_the_place_of_the_old_one_is_read(
    store: SqlIdentityStore, path: Path
) -> None:
    """As when a backup is restored under a running gate."""
    put(store, key(1))
    before = everything(store).position
    with opened(path.with_name("backup.sqlite")) as backup:
        put(backup, key(2))
    os.replace(path.with_name("backup.sqlite"), path)
    changes = store.changes(before)
    assert changes is not None
    assert changes.complete
    assert list(changes.keys) == [key(2)]
    put(store, key(3))  # into the file that is in place now
    with opened(path) as other:
        assert names(other) == ["key 2", "key 3"]


def test_a_backup_of_an_older_schema_is_upgraded_where_it_is_put(
    store: SqlIdentityStore, path: Path
) -> None:
    before = everything(store).position
    older = path.with_name("older.sqlite")
    with contextlib.closing(sqlite3.connect(older)) as connection:
        connection.executescript(SCHEMA_2)
    os.replace(older, path)
    changes = store.changes(before)
    assert changes is not None
    assert [each.name for each in changes.keys] == ["ci", "ada"]


def test_a_backup_written_over_the_store_is_noticed_whatever_its_numbers(path: Path) -> None:
    """``cp backup keys.sqlite`` keeps the inode, and brings numbers and a counter of its own.

    One more change can make both equal to those before.
    """
    backup = path.with_name("backup.sqlite")
    with opened(path) as writer:
        put(writer, key(1))
    shutil.copy(path, backup)
    with opened(path) as writer:
        put(writer, key(2))
    with opened(path) as store:
        seen = everything(store)
        assert list(seen.keys) == [key(1), key(2)]
        path.write_bytes(backup.read_bytes())
        with opened(path) as writer:
            put(writer, key(1, revoked_at=NOW))
        changes = store.changes(seen.position)
        assert changes is not None
        assert changes.position.sequence == seen.position.sequence
        assert changes.complete
        assert list(changes.keys) == [key(1, revoked_at=NOW)]


def test_a_store_that_is_gone_is_reported_until_it_is_back(
    store: SqlIdentityStore, path: Path
) -> None:
    put(store, key(1))
    position = everything(store).position
    away = path.with_name("away.sqlite")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(HeadgateError, match="there is no key store at"):
            store.changes(position)
    away.rename(path)
    assert store.changes(position) is None
    assert names(store) == ["key 1"]


def test_a_wrong_file_in_the_place_of_the_store_is_reported(
    store: SqlIdentityStore, path: Path
) -> None:
    position = everything(store).position
    good = path.with_name("good.sqlite")
    shutil.copy(path, good)
    path.unlink()
    path.write_text("not a database, but long enough to have been one\n" * 10)
    with pytest.raises(HeadgateError, match="not an SQLite database"):
        store.changes(position)
    os.replace(good, path)
    assert store.changes(position) is None


def test_a_store_in_the_middle_of_being_copied_is_read_when_it_is_whole(path: Path) -> None:
    with opened(path) as store:
        put(store, key(1))
        position = everything(store).position
        whole = path.read_bytes()
        for part in (0, 100, 4096, 8192, len(whole) - 1):
            path.write_bytes(whole[:part])
            with contextlib.suppress(HeadgateError):  # some halves still hold the whole table
                assert names(store) == ["key 1"]
        path.write_bytes(whole)
        assert store.changes(position) is None
        assert names(store) == ["key 1"]


def test_a_row_that_cannot_be_read_can_be_found_and_replaced(
    store: SqlIdentityStore, path: Path
) -> None:
    """Of two keys of a name the one that can be read is meant."""
    put(store, key(1, name="ci"), key(2, name="ci"))
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute("UPDATE keys SET expires_at = 'soon' WHERE serial = 2")
        other.commit()
    bad = UnreadableKey(2, "'k_00000002', 'ci'", "expires_at is text, not whole seconds since 1970")
    with store.reading() as reading:
        assert reading.key("ci") == key(1, name="ci")
        assert reading.key("k_00000002") == bad
        assert list(reading.unreadable()) == [bad]
        assert reading.key_with(digest(2)) is None
    put(store, key(2, name="ci"))
    assert list(everything(store).unreadable) == []


def test_an_emptied_table_brings_no_second_first_key(store: SqlIdentityStore, path: Path) -> None:
    with store.transaction() as transaction:
        transaction.put_first_key(FirstKey("k_00000001", NOW))
    with contextlib.closing(sqlite3.connect(path)) as other:
        for table in ("first_key", "keys", "principals"):
            other.execute(f"DELETE FROM {table}")  # noqa: S608
        other.commit()
    with store.reading() as reading:
        assert reading.first_key() == FirstKey("", NOW)
    with pytest.raises(HeadgateError, match="once for all"), store.transaction() as transaction:
        transaction.put_first_key(FirstKey("k_00000002", NOW))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_database_keeps_is_refused_everywhere(
    store: SqlIdentityStore, text: str
) -> None:
    with pytest.raises(HeadgateError, match="a text that no database keeps"):
        put(store, key(1, description=text))
    assert names(store) == []
