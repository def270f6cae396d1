"""Stores of older schemas, and of newer ones that serve this version or do not."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect

from headgate.errors import HeadgateError
from headgate.stores.records import KeyRecord, UnreadableKey
from headgate.stores.sql.migrating import migrate
from headgate.stores.sql.schema import METADATA
from headgate.stores.sql.sqlite import file
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import everything, key, put
from tests.unit.stores.older import SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5

OLDER = {1: SCHEMA_1, 2: SCHEMA_2, 3: SCHEMA_3, 4: SCHEMA_4, 5: SCHEMA_5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


def write(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def read(path: Path, query: str) -> list[Sequence[object]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def opened(path: Path) -> SqlIdentityStore:
    return SqlIdentityStore(SqliteDatabase(path, create=False))


@pytest.mark.parametrize("schema", OLDER)
def test_a_store_of_an_older_schema_is_brought_to_the_present_one(path: Path, schema: int) -> None:
    """When it is opened, with all that it has; rows that cannot be read stay, to be mended."""
    write(path, OLDER[schema])
    (digest,) = read(path, "SELECT digest FROM keys WHERE serial = 2")[0]
    assert isinstance(digest, bytes)
    roles = ("admin",) if schema == 1 else ("writer", "publisher")
    ended = ("admin",) if schema == 1 else ()
    edition = 2 if schema >= 3 else 1
    expected = [
        KeyRecord("k_00000001", "ci", bytes(32), 1, roles=roles, roles_edition=1),
        KeyRecord("k_00000002", "ada", digest, 2, 20, 15, ended, edition),
    ]
    bad = UnreadableKey(
        3, "'k_00000003', 'bad'", "expires_at is text, not whole seconds since 1970"
    )
    with opened(path) as store:
        assert not store.is_new
        assert list(everything(store).keys) == expected
        assert list(everything(store).unreadable) == [bad]
        put(store, key(9))
    with opened(path) as again:
        assert list(everything(again).keys) == [*expected, key(9)]
        assert list(everything(again).unreadable) == [bad]


def test_a_store_that_was_upgraded_is_as_one_that_was_made(tmp_path: Path) -> None:
    """The same tables, triggers and rules, whatever it began as."""
    schemas = {}
    for name, script in [("new", ""), *((str(each), OLDER[each]) for each in OLDER)]:
        path = tmp_path / f"{name}.sqlite"
        if script:
            write(path, script)
        SqliteDatabase(path).close()
        schemas[name] = sorted(
            (row[0], " ".join(str(row[1]).split()).replace('"', ""))
            for row in read(path, "SELECT name, sql FROM sqlite_master")
        )
        assert read(path, "PRAGMA user_version") == [(3,)]
        assert read(path, "PRAGMA application_id") == [(file.APPLICATION_ID,)]
    # Columns that were added stand behind a comment or before it, as the text was kept.
    assert schemas["new"] == schemas["1"] == schemas["2"]
    for later in ("3", "4", "5"):
        assert [name for name, _ in schemas["new"]] == [name for name, _ in schemas[later]]


def test_the_tables_are_as_the_code_has_them(path: Path) -> None:
    SqliteDatabase(path).close()
    with file.engine_for(path).connect() as connection:
        there = inspect(connection)
        for table in METADATA.tables.values():
            columns = {column["name"] for column in there.get_columns(table.name)}
            assert columns == set(table.columns.keys())


def test_of_two_processes_that_start_concurrently_one_upgrades_the_store(path: Path) -> None:
    write(path, SCHEMA_1)
    start = threading.Barrier(6)

    def open_it(number: int) -> None:
        start.wait()
        with opened(path) as store:
            put(store, key(number))

    with ThreadPoolExecutor(6) as executor:
        list(executor.map(open_it, range(10, 16)))  # raises what any of them raised
    with opened(path) as store:
        assert len(everything(store).keys) == 8


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    write(path, SCHEMA_2 + "CREATE TABLE principals (id)")
    before = read(path, "SELECT sql FROM sqlite_master")
    with pytest.raises(HeadgateError, match="failed: table principals already exists"):
        opened(path)
    assert read(path, "SELECT sql FROM sqlite_master") == before
    write(path, "DROP TABLE principals")
    with opened(path) as store:
        assert len(everything(store).keys) == 2


EXPAND = """
revision = "7"
down_revision = "6"
def upgrade(connection):
    connection.exec_driver_sql("ALTER TABLE keys ADD COLUMN favourite_colour TEXT")
"""
CONTRACT = """
revision = "8"
down_revision = "7"
def upgrade(connection):
    connection.exec_driver_sql("ALTER TABLE keys DROP COLUMN favourite_colour")
    connection.exec_driver_sql("UPDATE store_state SET serves_from = 7")
"""


def test_a_later_version_may_add_and_only_then_take_away(path: Path, tmp_path: Path) -> None:
    """What adds leaves this version running; what takes away ends it, in one clear line."""
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "schema_7.py").write_text(EXPAND)
    (versions / "schema_8.py").write_text(CONTRACT)

    def later(target: str) -> None:
        with file.engine_for(path).connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate(connection, None, folders=[versions], target=target)
            connection.commit()

    with SqlIdentityStore(SqliteDatabase(path)) as running:
        seen = everything(running)
        later("7")
        with opened(path) as started:  # and is started again, beside the later one
            put(started, key(1))
        changes = running.changes(seen.position)
        assert changes is not None
        assert list(changes.keys) == [key(1)]
        later("8")
        with pytest.raises(HeadgateError, match="serves no Headgate below schema 7, and this one"):
            running.changes(changes.position)
        with pytest.raises(HeadgateError, match="serves no Headgate below schema 7"):
            put(running, key(2))
    with pytest.raises(HeadgateError) as refused:
        opened(path)
    assert str(refused.value) == (
        f"the key store {path} has schema 8, which serves no Headgate below schema 7, and this one "
        "knows 6; upgrade this Headgate"
    )
