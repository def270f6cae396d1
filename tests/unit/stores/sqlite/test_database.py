"""The file of a key store: made whole, recognised, and its troubles in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from headgate.errors import HeadgateError
from headgate.stores import KeyRecord
from headgate.stores.sqlite import database
from headgate.stores.sqlite.keys import SqliteKeyStore

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.sqlite"


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """File permissions count: as root, tests would pass every one of them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refused(path: Path, *, create: bool = True) -> str:
    """The one line with which opening the store fails."""
    with pytest.raises(HeadgateError) as caught, SqliteKeyStore(path, create=create):
        pass
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_file_are_for_their_owner_alone(path: Path) -> None:
    """Whatever the umask; the journal of a write under way too."""
    before = os.umask(0)
    try:
        with SqliteKeyStore(path):
            pass
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("DELETE FROM keys")
            modes = {entry.name: mode(entry) for entry in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"keys.sqlite": 0o600, "keys.sqlite-journal": 0o600}
    assert mode(path.parent) == 0o700


def test_a_folder_that_exists_keeps_its_mode(path: Path) -> None:
    path.parent.mkdir(mode=0o750)
    SqliteKeyStore(path).close()
    assert mode(path.parent) == 0o750


def test_a_store_is_one_file_even_while_it_is_open(path: Path) -> None:
    """What makes it safe to copy, and to put a backup in its place."""
    with SqliteKeyStore(path) as store:
        store.create("ci", b"\x01" * 32, now=1)
        assert list(path.parent.iterdir()) == [path]


def test_a_path_may_hold_characters_that_urls_reserve(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=ro#b%41 é" / "keys.sqlite"
    with SqliteKeyStore(path) as store:
        store.create("ci", b"\x01" * 32, now=1)
    assert path.exists()


def test_many_may_create_the_same_store_concurrently(path: Path) -> None:
    """All get the same store, and no draft of it is left behind."""
    start = threading.Barrier(8)

    def open_and_write(number: int) -> None:
        start.wait()
        with SqliteKeyStore(path) as store:
            store.create(f"key {number}", bytes([number]) * 32, now=1)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(open_and_write, range(8)))  # raises what any of them raised
    with SqliteKeyStore(path) as store:
        assert len(store.snapshot().records) == 8
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_store_is_not_made_unasked(path: Path) -> None:
    assert "headgate keys create NAME" in refused(path, create=False)
    assert not path.parent.exists()


def test_a_file_in_the_place_of_the_folder(path: Path) -> None:
    path.parent.touch()
    assert "--data" in refused(path)


def test_a_folder_in_the_place_of_the_file(path: Path) -> None:
    path.mkdir(parents=True)
    assert "cannot be opened" in refused(path)


def test_a_folder_that_may_not_be_written(path: Path, unprivileged: None) -> None:
    with contextlib.suppress(PermissionError):  # as root's stand-in we cannot even look inside
        path.parent.parent.chmod(0o500)
    assert "Permission denied; let this user read and write its folder" in refused(path)


def test_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("tracking_uri = 'http://localhost'\n" * 50)
    assert "is not an SQLite database; move it away" in refused(path)


@pytest.mark.parametrize("statements", ["", "CREATE TABLE runs (id TEXT)"])
def test_a_database_of_another_program_is_left_alone(path: Path, statements: str) -> None:
    path.parent.mkdir()
    path.touch()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    before = path.read_bytes()
    assert "is not a Headgate key store" in refused(path)
    assert path.read_bytes() == before


def test_a_newer_schema_asks_for_an_upgrade(path: Path) -> None:
    SqliteKeyStore(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    assert "newer Headgate (schema 4, this one knows 3); upgrade this Headgate" in refused(path)


FIRST_SCHEMA = """
CREATE TABLE keys (
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);
INSERT INTO keys (id, name, digest, created_at, expires_at, revoked_at) VALUES
    ('k_00000001', 'ci', zeroblob(32), 1, NULL, NULL),
    ('k_00000002', 'ada', randomblob(32), 2, 20, 15);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 1;
"""
"""A store as the first Headgate left it."""


@pytest.fixture
def first_store(path: Path) -> Path:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_SCHEMA)
    return path


def test_keys_from_before_there_were_roles_may_go_on(first_store: Path) -> None:
    """They could do everything; nothing else of them changes, and the file is changed once."""
    with SqliteKeyStore(first_store, create=False) as store:
        assert store.snapshot().records == [
            KeyRecord("k_00000001", "ci", bytes(32), 1, roles=("admin",), roles_edition=1),
            KeyRecord(
                "k_00000002", "ada", store.snapshot().records[1].digest, 2, 20, 15, ("admin",), 1
            ),
        ]
        store.create("new", b"\x01" * 32, now=3, roles=["viewer"])
    with SqliteKeyStore(first_store) as again:
        assert [record.roles for record in again.snapshot().records] == [
            ("admin",),
            ("admin",),
            ("viewer",),
        ]


def test_a_row_without_roles_may_do_nothing(first_store: Path, tmp_path: Path) -> None:
    """In a store that was changed as in one that was made new: the schemas are the same."""
    SqliteKeyStore(first_store).close()
    SqliteKeyStore(tmp_path / "new.sqlite").close()
    for path in (first_store, tmp_path / "new.sqlite"):
        with SqliteKeyStore(path) as store, contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(
                "INSERT INTO keys (id, name, digest, created_at) VALUES (?, ?, ?, ?)",
                ("k_00000009", "by hand", b"\x09" * 32, 1),
            )
            connection.commit()
            assert store.snapshot().records[-1].roles == ()


class Telling(sqlite3.Connection):
    """A connection that tells when it is about to begin a write."""

    begins: ClassVar = threading.Event()

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "BEGIN IMMEDIATE":
            self.begins.set()
        return super().execute(statement, *values)


def test_of_two_processes_that_start_concurrently_one_changes_the_store(
    first_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has seen the old schema, waits, and finds the work done."""
    connect = sqlite3.connect
    monkeypatch.setattr(Telling, "begins", threading.Event())
    with (
        contextlib.closing(connect(first_store, isolation_level=None)) as winner,
        ThreadPoolExecutor(1) as executor,
    ):
        winner.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Telling))
        opening = executor.submit(SqliteKeyStore, first_store)
        assert Telling.begins.wait(10)
        winner.execute("ALTER TABLE keys ADD COLUMN roles TEXT NOT NULL DEFAULT ''")
        winner.execute("UPDATE keys SET roles = 'viewer'")
        winner.execute("UPDATE keys SET expires_at = 'soon' WHERE name = 'ada'")
        winner.execute("PRAGMA user_version = 2")
        winner.execute("COMMIT")
        with opening.result() as store:
            assert [record.roles for record in store.snapshot().records] == [("viewer",)]
            assert [row.serial for row in store.snapshot().unreadable] == [2]


def test_an_older_store_that_cannot_be_written_is_refused(
    first_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read it as if nothing had changed would need all code to know all schemas."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def read_only(address: str, **settings: Any) -> sqlite3.Connection:
        return connect(address.replace("mode=rw", "mode=ro"), **settings)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    assert "cannot be written; let this user write the file" in refused(first_store, create=False)


def test_a_locked_store_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.01)
    with SqliteKeyStore(path) as store, contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for use in (store.snapshot, store.revision, lambda: store.revoke("ci", now=1)):
            with pytest.raises(HeadgateError, match="is locked by another program"):
                use()
        assert "is locked by another program" in refused(path)
        other.rollback()
        assert store.snapshot().records == []


def test_a_damaged_store_asks_for_a_backup(path: Path) -> None:
    with SqliteKeyStore(path) as store:
        store.create("ci", b"\x01" * 32, now=1)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # all pages but the first
    path.write_bytes(content)
    with (
        SqliteKeyStore(path) as store,
        pytest.raises(HeadgateError, match="is damaged; move it away and restore a backup"),
    ):
        store.snapshot()


def test_a_store_that_may_only_be_read_refuses_to_write(path: Path) -> None:
    with SqliteKeyStore(path) as store:
        store._connection.execute("PRAGMA query_only = 1")
        with pytest.raises(HeadgateError, match="cannot be written; let this user write"):
            store.create("ci", b"\x01" * 32, now=1)


def test_a_defect_of_ours_is_not_blamed_on_the_file(path: Path) -> None:
    store = SqliteKeyStore(path)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.snapshot()
