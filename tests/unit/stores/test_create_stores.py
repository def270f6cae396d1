"""Each store of shared creates that needs no server, held to the suite of all of them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores.creates import Enter
from headgate.stores.maintenance import OlderSchemaError
from headgate.stores.sql.creates import SqlCreateStore
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from headgate.testing.clock import ManualClock
from headgate.testing.create_store import MemoryCreateStore
from tests.support.create_suite import A, CreateStoreSuite, OpenCreates, fresh
from tests.support.identity_suite import everything
from tests.unit.stores.older import SCHEMA_4


class TestMemory(CreateStoreSuite):
    """The double that other packages' tests are given."""

    @pytest.fixture
    def open_store(self) -> OpenCreates:
        store = MemoryCreateStore()
        return lambda: store

    def test_it_fails_on_request(self) -> None:
        store = MemoryCreateStore()
        store.failure = HeadgateError("down")
        with pytest.raises(HeadgateError, match="down"):
            store.look(fresh()[1])

    def test_what_is_old_is_no_more(self) -> None:
        clock = ManualClock()
        store = MemoryCreateStore(clock)
        row, digest = fresh()
        store.apply(A, [Enter(row, digest)])
        clock.advance(900)
        assert list(store.look(digest).rows) == []
        assert store.prune() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.sqlite"
    SqliteDatabase(path).close()
    return path


def opened(path: Path) -> SqlCreateStore:
    return SqlCreateStore(SqliteDatabase(path, create=False))


class TestSqlite(CreateStoreSuite):
    """The embedded default."""

    @pytest.fixture
    def open_store(self, path: Path) -> OpenCreates:
        return lambda: opened(path)

    def test_nothing_here_is_a_change_of_keys(self, path: Path) -> None:
        keys = SqlIdentityStore(SqliteDatabase(path))
        before = everything(keys).position
        store = opened(path)
        store.apply(A, [Enter(*fresh())])
        store.prune()
        store.leave(A)
        assert keys.changes(before) is None
        assert everything(keys).position == before

    def test_what_is_old_is_no_more(self, path: Path) -> None:
        store = opened(path)
        (old, digest), (young, _) = fresh(), fresh()
        store.apply(A, [Enter(old, digest)])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE creates SET sent_at = sent_at - 901")
            connection.execute("INSERT INTO create_keepers VALUES ('long gone', 1)")
        assert list(store.look(digest).rows) == []
        store.apply(A, [Enter(young, digest)])
        assert store.prune() == 1
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT id FROM create_keepers").fetchall() == [(A,)]

    def test_it_can_be_tried_without_a_trace(self, path: Path) -> None:
        opened(path).require_writable()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for table in ("creates", "create_keepers"):
                found = connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
                assert found.fetchone() == (0,)

    def test_a_store_of_an_older_schema_has_no_place_for_them(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA_4)
        store = SqlCreateStore(SqliteDatabase(path, create=False, upgrade=False))
        with pytest.raises(OlderSchemaError, match="keeps nothing of creates; upgrade it with"):
            store.apply(A, [Enter(*fresh())])
