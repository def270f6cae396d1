"""The file of a key store: made whole, recognised, and its troubles in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import HeadgateError
from headgate.stores.sql.schema import KNOWN_SCHEMA
from headgate.stores.sql.sqlite import file
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import everything, key, put
from tests.unit.stores.older import SCHEMA_1

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
    with pytest.raises(HeadgateError) as caught, opened(path, create=create):
        pass
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def opened(path: Path, *, create: bool = True) -> SqlIdentityStore:
    return SqlIdentityStore(SqliteDatabase(path, create=create))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_file_are_for_their_owner_alone(path: Path) -> None:
    """Whatever the umask; the journal of a write under way too."""
    before = os.umask(0)
    try:
        with opened(path):
            pass
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE store_state SET writing = 1")
            modes = {entry.name: mode(entry) for entry in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"keys.sqlite": 0o600, "keys.sqlite-journal": 0o600}
    assert mode(path.parent) == 0o700


def test_a_folder_that_exists_keeps_its_mode(path: Path) -> None:
    path.parent.mkdir(mode=0o750)
    opened(path).close()
    assert mode(path.parent) == 0o750


def test_a_store_is_one_file_even_while_it_is_open(path: Path) -> None:
    """What makes it safe to copy, and to put a backup in its place."""
    with opened(path) as store:
        put(store, key(1))
        assert list(path.parent.iterdir()) == [path]


def test_a_path_may_hold_characters_that_urls_reserve(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=ro#b%41 é" / "keys.sqlite"
    with opened(path) as store:
        put(store, key(1))
    assert path.exists()


def test_many_may_create_the_same_store_concurrently(path: Path) -> None:
    """All get the same store, and no draft of it is left behind."""
    start = threading.Barrier(8)

    def open_and_write(number: int) -> None:
        start.wait()
        with opened(path) as store:
            put(store, key(number))

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(open_and_write, range(8)))  # raises what any of them raised
    with opened(path) as store:
        assert len(everything(store).keys) == 8
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
    """Of a Headgate that would no longer let one of schema 3 open its files."""
    opened(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    said = f"newer Headgate (schema 4, this one knows {KNOWN_SCHEMA}); upgrade this Headgate"
    assert said in refused(path)


def test_an_older_store_that_cannot_be_written_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read it as if nothing had changed would need all code to know all schemas."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript(SCHEMA_1)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def read_only(address: str, **settings: Any) -> sqlite3.Connection:
        return connect(address.replace("mode=rw", "mode=ro"), **settings)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    assert "cannot be written; let this user write the file" in refused(path, create=False)


def test_a_locked_store_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_TIMEOUT", 0.01)
    with opened(path) as store, contextlib.closing(sqlite3.connect(path)) as other:
        position = everything(store).position
        other.execute("BEGIN EXCLUSIVE")
        uses: list[Callable[[], object]] = [
            lambda: store.changes(None),
            lambda: store.changes(position),
            lambda: put(store, key(1)),
        ]
        for use in uses:
            with pytest.raises(HeadgateError, match="is locked by another program"):
                use()
        assert "is locked by another program" in refused(path)
        other.rollback()
        assert store.changes(position) is None


def test_a_damaged_store_asks_for_a_backup(path: Path) -> None:
    with opened(path) as store:
        put(store, key(1))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # all pages but the first
    path.write_bytes(content)
    assert "is damaged; move it away and restore a backup" in refused(path)


def test_a_store_that_may_only_be_read_refuses_to_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is followed all the same."""
    with opened(path) as store:
        put(store, key(1))
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def read_only(address: str, **settings: Any) -> sqlite3.Connection:
        return connect(address.replace("mode=rw", "mode=ro"), **settings)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with opened(path, create=False) as store:
        assert list(everything(store).keys) == [key(1)]
        with pytest.raises(HeadgateError, match="cannot be written; let this user write"):
            put(store, key(2))


def test_a_full_disk_is_said_and_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def full(address: str, **settings: Any) -> sqlite3.Connection:
        connection = connect(address, **settings)
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are
        return connection

    with opened(path) as store:
        before = everything(store).position
        monkeypatch.setattr(sqlite3, "connect", full)
        with pytest.raises(HeadgateError, match="the disk is full; free some space"):
            put(store, key(1, description="x" * 100_000))
        assert store.changes(before) is None


def test_a_store_that_was_closed_is_not_blamed_on_the_file(path: Path) -> None:
    store = opened(path)
    store.close()
    with pytest.raises(ValueError, match="the store was closed"):
        store.changes(None)
