"""A SQLite file as a key store: what other stores have not."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores import KeyRecord, KeyStore
from headgate.stores.sqlite.keys import SqliteKeyStore

NOW = 1_000


def digest(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with SqliteKeyStore(path) as store:
        yield store


def test_a_key_is_kept_as_it_was_made(store: KeyStore, path: Path) -> None:
    """In whole seconds, and for the next process that opens the file."""
    record = store.create("ci", digest(1), now=NOW + 0.9, expires_at=NOW + 60.9)
    assert re.fullmatch(r"k_[0-9A-Za-z]{8}", record.id)
    assert record == KeyRecord(record.id, "ci", digest(1), NOW, NOW + 60, None)
    with SqliteKeyStore(path, create=False) as other:
        assert other.snapshot().records == [record]


def test_a_failed_change_leaves_no_lock_behind(store: KeyStore, path: Path) -> None:
    store.create("ci", digest(1), NOW)
    with pytest.raises(HeadgateError, match="already"):
        store.create("ci", digest(2), NOW)
    with pytest.raises(HeadgateError, match="failed"):
        store.create("same digest", digest(1), NOW)
    with pytest.raises(HeadgateError, match="no key"):
        store.revoke("nobody", NOW)
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")


def test_a_digest_is_32_bytes(store: KeyStore) -> None:
    with pytest.raises(HeadgateError, match="CHECK constraint"):
        store.create("ci", b"short", NOW)


def test_the_version_changes_with_every_change_and_only_then(store: KeyStore, path: Path) -> None:
    """Whether the change was made here or through another connection."""
    versions = [store.revision()]
    assert store.revision() == versions[-1]
    with SqliteKeyStore(path) as other:
        assert store.revision() == versions[-1]
        changes: list[Callable[[], object]] = [
            lambda: other.create("there", digest(1), NOW),
            lambda: store.create("here", digest(2), NOW),
            lambda: other.revoke("here", NOW),
            lambda: store.revoke("there", NOW),
        ]
        for change in changes:
            change()
            versions.append(store.revision())
            store.snapshot()
            assert store.revision() == versions[-1]
    assert len(set(versions)) == 5


def test_a_reader_sees_what_others_wrote_while_it_was_open(store: KeyStore, path: Path) -> None:
    with SqliteKeyStore(path) as other:
        record = other.create("ci", digest(1), NOW)
        assert store.snapshot().records == [record]


def test_a_store_put_in_the_place_of_the_old_one_is_read(store: KeyStore, path: Path) -> None:
    """As when a backup is restored under a running gate."""
    store.create("old", digest(1), NOW)
    before = store.revision()
    with SqliteKeyStore(path.with_name("backup.sqlite")) as backup:
        backup.create("new", digest(2), NOW)
    os.replace(path.with_name("backup.sqlite"), path)
    assert store.revision() != before
    assert [record.name for record in store.snapshot().records] == ["new"]


def test_a_store_that_is_gone_is_reported_until_it_is_back(store: KeyStore, path: Path) -> None:
    store.create("ci", digest(1), NOW)
    away = path.with_name("away.sqlite")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(HeadgateError, match="there is no key store at"):
            store.revision()
    away.rename(path)
    store.revision()
    assert [record.name for record in store.snapshot().records] == ["ci"]


def test_a_wrong_file_in_the_place_of_the_store_is_reported(store: KeyStore, path: Path) -> None:
    good = path.with_name("good.sqlite")
    shutil.copy(path, good)
    path.unlink()
    path.write_text("not a database, but long enough to have been one\n" * 10)
    with pytest.raises(HeadgateError, match="not an SQLite database"):
        store.revision()
    os.replace(good, path)
    store.revision()
    assert store.snapshot().records == []


def test_a_store_loaded_in_one_thread_serves_another(store: KeyStore) -> None:
    """The gate loads at start-up and then follows from a thread of its own."""
    record = store.create("ci", digest(1), NOW)
    seen: list[Sequence[KeyRecord]] = []
    thread = threading.Thread(target=lambda: seen.append(store.snapshot().records))
    thread.start()
    thread.join()
    assert seen == [[record]]


def test_a_backup_written_over_the_store_is_noticed_whatever_its_counter(path: Path) -> None:
    """``cp backup keys.sqlite`` keeps the inode, and brings a change counter of its own.

    One more write can make that counter equal to the one before: what SQLite has cached must not
    be taken for what is there.
    """
    backup = path.with_name("backup.sqlite")
    with SqliteKeyStore(path) as writer:
        writer.create("kept", digest(1), NOW)
    shutil.copy(path, backup)
    with SqliteKeyStore(path) as writer:
        writer.create("later", digest(2), NOW)
    with SqliteKeyStore(path) as store:
        before = store.revision()
        assert [record.name for record in store.snapshot().records] == ["kept", "later"]
        path.write_bytes(backup.read_bytes())
        with SqliteKeyStore(path) as writer:
            writer.revoke("kept", NOW)
        assert store.revision() != before
        (record,) = store.snapshot().records
        assert (record.name, record.revoked_at) == ("kept", NOW)


def test_a_store_in_the_middle_of_being_copied_is_read_when_it_is_whole(path: Path) -> None:
    with SqliteKeyStore(path) as store:
        store.create("ci", digest(1), NOW)
        whole = path.read_bytes()
        for part in (0, 100, 4096, 8192, len(whole) - 1):
            path.write_bytes(whole[:part])
            with contextlib.suppress(HeadgateError):  # some halves still hold the whole table
                store.revision()
                assert [record.name for record in store.snapshot().records] == ["ci"]
        path.write_bytes(whole)
        store.revision()
        assert [record.name for record in store.snapshot().records] == ["ci"]


def test_a_key_that_cannot_be_handed_over_is_not_kept(store: KeyStore, path: Path) -> None:
    def fail(record: KeyRecord) -> None:
        assert record.name == "ci"
        raise HeadgateError("nobody there")

    with pytest.raises(HeadgateError, match="nobody there"):
        store.create("ci", digest(1), NOW, hand_over=fail)
    assert store.snapshot().records == []
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")


def test_of_two_keys_of_a_name_the_one_that_can_be_read_is_meant(
    store: KeyStore, path: Path
) -> None:
    good = store.create("ci", digest(1), NOW, expires_at=NOW + 1)
    bad = store.create("ci", digest(2), NOW + 2)
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute("UPDATE keys SET expires_at = 'soon' WHERE id = ?", (bad.id,))
        other.commit()
    assert store.revoke("ci", NOW).id == good.id
    with pytest.raises(HeadgateError, match=r"damaged row 2 .*expires_at is text.*DELETE FROM"):
        store.revoke(bad.id, NOW)
    assert store.create("ci", digest(3), NOW).name == "ci"
