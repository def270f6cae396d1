"""Each identity store that needs no server, held to the suite of all identity stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from headgate.errors import HeadgateError
from headgate.stores.records import UnreadableKey
from headgate.stores.sql.rows import changed_keys, changed_principals
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from headgate.testing.key_store import MemoryIdentityStore
from tests.support.identity_suite import IdentityStoreSuite, Open, everything, key, put


class TestMemory(IdentityStoreSuite):
    """The double that other packages' tests are given."""

    @pytest.fixture
    def open_store(self) -> Open:
        store = MemoryIdentityStore()
        return lambda: store

    def test_a_backup_is_noticed_whatever_its_number(self) -> None:
        store = MemoryIdentityStore()
        put(store, key(1))
        backup = store.saved()
        put(store, key(2))
        seen = everything(store).position
        store.restore(backup)
        put(store, key(3))
        changes = store.changes(seen)
        assert changes is not None
        assert changes.complete
        assert changes.position.sequence == seen.sequence
        assert list(changes.keys) == [key(1), key(3)]

    def test_it_fails_and_is_damaged_on_request(self) -> None:
        store = MemoryIdentityStore()
        put(store, key(1))
        store.failure = HeadgateError("down")
        with pytest.raises(HeadgateError, match="down"):
            store.changes(None)
        store.failure = None
        damaged = UnreadableKey(7, "'k_00000007', 'ci'", "digest is empty")
        store.damage(damaged)
        assert list(everything(store).unreadable) == [damaged]
        with store.reading() as reading:
            assert reading.key("ci") == damaged
            assert list(reading.unreadable()) == [damaged]


class TestSqlite(IdentityStoreSuite):
    """The embedded default."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Open:
        return lambda: SqlIdentityStore(SqliteDatabase(tmp_path / "keys.sqlite"))

    def test_changes_are_found_without_reading_the_whole_table(self, tmp_path: Path) -> None:
        with SqlIdentityStore(SqliteDatabase(tmp_path / "keys.sqlite")) as store:
            for changed in (changed_keys(1), changed_principals(1)):
                statement = changed.compile(
                    dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
                )
                with store.database.reading() as connection:
                    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
                assert ["USING INDEX" in row[3] for row in plan] == [True], plan
