"""Making, listing and revoking keys."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores import KeyRecord, KeyState, KeyStore

NOW = 1_000


def digest(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with KeyStore(path) as store:
        yield store


def test_a_key_is_kept_as_it_was_made(store: KeyStore, path: Path) -> None:
    """In whole seconds, and for whoever opens the file next."""
    record = store.create("ci", digest(1), now=NOW + 0.9, expires_at=NOW + 60.9)
    assert re.fullmatch(r"k_[0-9A-Za-z]{8}", record.id)
    assert record == KeyRecord(record.id, "ci", digest(1), NOW, NOW + 60, None)
    with KeyStore(path, create=False) as other:
        assert other.records() == [record]


def test_a_key_has_the_roles_it_was_made_with(store: KeyStore) -> None:
    """Each once, in their order; none unless some are given."""
    record = store.create("ci", digest(1), NOW, roles=["writer", "team-a", "writer"])
    assert record.roles == ("writer", "team-a")
    assert store.create("bare", digest(2), NOW).roles == ()
    assert [each.roles for each in store.records()] == [("writer", "team-a"), ()]


def test_a_key_can_be_given_other_roles(store: KeyStore) -> None:
    """By name or id, and seen as a change by whoever follows the store."""
    record = store.create("ci", digest(1), NOW, roles=["writer"])
    before = store.data_version()
    assert store.set_roles("ci", ["viewer", "viewer"]).roles == ("viewer",)
    assert store.data_version() != before
    assert store.set_roles(record.id, []).roles == ()
    assert [each.roles for each in store.records()] == [()]


def test_a_revoked_key_gets_no_roles(store: KeyStore) -> None:
    store.create("ci", digest(1), NOW, roles=["writer"])
    store.revoke("ci", NOW)
    with pytest.raises(HeadgateError, match="is revoked already"):
        store.set_roles("ci", ["viewer"])
    with pytest.raises(HeadgateError, match="no key has the name 'ada'"):
        store.set_roles("ada", ["viewer"])
    assert [each.roles for each in store.records()] == [("writer",)]


def test_records_come_oldest_first(store: KeyStore) -> None:
    names = ["b", "a", "c"]
    for number, name in enumerate(names):
        store.create(name, digest(number), now=NOW - number)
    assert [record.name for record in store.records()] == names


def test_ids_differ(store: KeyStore) -> None:
    ids = {store.create(f"key {number}", digest(number), NOW).id for number in range(100)}
    assert len(ids) == 100


def test_a_record_never_shows_its_digest(store: KeyStore) -> None:
    record = store.create("ci", b"canary-canary-canary-canary-cana", NOW)
    assert "canary" not in repr(record)


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (KeyRecord("k", "n", b"", 0), KeyState.ACTIVE),
        (KeyRecord("k", "n", b"", 0, expires_at=NOW + 1), KeyState.ACTIVE),
        (KeyRecord("k", "n", b"", 0, expires_at=NOW), KeyState.EXPIRED),
        (KeyRecord("k", "n", b"", 0, expires_at=NOW, revoked_at=NOW), KeyState.REVOKED),
        (KeyRecord("k", "n", b"", 0, revoked_at=NOW + 5), KeyState.REVOKED),
    ],
)
def test_the_state_of_a_key(record: KeyRecord, state: KeyState) -> None:
    assert record.state(NOW) is state


def test_two_active_keys_never_share_a_name(store: KeyStore) -> None:
    first = store.create("ci", digest(1), NOW)
    with pytest.raises(HeadgateError, match=f"{first.id} has the name 'ci' already"):
        store.create("ci", digest(2), NOW)
    assert store.records() == [first]


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_the_name_of_a_key_that_ended_is_free(store: KeyStore, end: str) -> None:
    store.create("ci", digest(1), NOW, expires_at=NOW + 10)
    if end == "revoked":
        store.revoke("ci", NOW)
    second = store.create("ci", digest(2), now=NOW if end == "revoked" else NOW + 10)
    assert store.revoke("ci", NOW + 20).id == second.id


def test_names_that_look_alike_are_one_name(store: KeyStore) -> None:
    """The same letters, composed and decomposed (Unicode NFC)."""
    record = store.create("Ame\u0301lie", digest(1), NOW)
    assert record.name == "Am\u00e9lie"
    with pytest.raises(HeadgateError, match="already"):
        store.create("Am\u00e9lie", digest(2), NOW)
    assert store.revoke("Ame\u0301lie", NOW).id == record.id


@pytest.mark.parametrize(
    "name", ["x", "x" * 100, "team A / nightly (eu)", "[red]", "日本", "'; --"]
)
def test_names_that_fit(store: KeyStore, name: str) -> None:
    assert store.create(name, digest(1), NOW).name == name
    assert store.revoke(name, NOW).name == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "x" * 101, " ", " ci", "ci ", "\u00a0ci"),
        *("a\nb", "a\tb", "a\x00b", "a\x1b[31m", "a\x7f", "a\x9bb"),  # control characters
        *("a\u202eb", "a\u2066b", "a\u200bb", "\ufeffci", "a\u2028b"),  # bidirectional, unseen
        "\ud800",
        "k_0123abcD",
    ],
)
def test_names_that_do_not_fit(store: KeyStore, name: str) -> None:
    """Their message is safe to print whatever they hold."""
    with pytest.raises(HeadgateError) as caught:
        store.create(name, digest(1), NOW)
    assert str(caught.value).isprintable()
    assert store.records() == []


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_revoked_key_stays_revoked(store: KeyStore, by: str) -> None:
    record = store.create("ci", digest(1), NOW)
    revoked = store.revoke(getattr(record, by), NOW + 1.5)
    assert revoked.revoked_at == NOW + 1
    assert store.records() == [revoked]
    assert store.revoke(getattr(record, by), NOW + 2) == revoked
    assert store.find(getattr(record, by)) == revoked
    assert store.records() == [revoked]


def test_revoking_ends_one_key_only(store: KeyStore) -> None:
    store.create("ci", digest(1), NOW)
    other = store.create("nightly", digest(2), NOW)
    store.revoke("ci", NOW)
    assert store.records()[1] == other


@pytest.mark.parametrize(
    "unknown", ["nobody", "", "k_AAAAAAAA", "CI", "c%", "\ud800", "a\x00", "' OR '1'='1"]
)
def test_an_unknown_key_cannot_be_revoked(store: KeyStore, unknown: str) -> None:
    record = store.create("ci", digest(1), NOW)
    with pytest.raises(HeadgateError, match=r"no key has the .* 'headgate keys list'") as caught:
        store.revoke(unknown, NOW)
    assert str(caught.value).isprintable()
    assert store.records() == [record]


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
    versions = [store.data_version()]
    assert store.data_version() == versions[-1]
    with KeyStore(path) as other:
        assert store.data_version() == versions[-1]
        changes: list[Callable[[], object]] = [
            lambda: other.create("there", digest(1), NOW),
            lambda: store.create("here", digest(2), NOW),
            lambda: other.revoke("here", NOW),
            lambda: store.revoke("there", NOW),
        ]
        for change in changes:
            change()
            versions.append(store.data_version())
            store.records()
            assert store.data_version() == versions[-1]
    assert len(set(versions)) == 5


def test_a_reader_sees_what_others_wrote_while_it_was_open(store: KeyStore, path: Path) -> None:
    with KeyStore(path) as other:
        record = other.create("ci", digest(1), NOW)
        assert store.records() == [record]


def test_a_store_put_in_the_place_of_the_old_one_is_read(store: KeyStore, path: Path) -> None:
    """As when a backup is restored under a running gate."""
    store.create("old", digest(1), NOW)
    before = store.data_version()
    with KeyStore(path.with_name("backup.sqlite")) as backup:
        backup.create("new", digest(2), NOW)
    os.replace(path.with_name("backup.sqlite"), path)
    assert store.data_version() != before
    assert [record.name for record in store.records()] == ["new"]


def test_a_store_that_is_gone_is_reported_until_it_is_back(store: KeyStore, path: Path) -> None:
    store.create("ci", digest(1), NOW)
    away = path.with_name("away.sqlite")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(HeadgateError, match="there is no key store at"):
            store.data_version()
    away.rename(path)
    store.data_version()
    assert [record.name for record in store.records()] == ["ci"]


def test_a_wrong_file_in_the_place_of_the_store_is_reported(store: KeyStore, path: Path) -> None:
    good = path.with_name("good.sqlite")
    shutil.copy(path, good)
    path.unlink()
    path.write_text("not a database, but long enough to have been one\n" * 10)
    with pytest.raises(HeadgateError, match="not an SQLite database"):
        store.data_version()
    os.replace(good, path)
    store.data_version()
    assert store.records() == []


def test_a_store_loaded_in_one_thread_serves_another(store: KeyStore) -> None:
    """The gate loads at start-up and then follows from a thread of its own."""
    record = store.create("ci", digest(1), NOW)
    seen: list[list[KeyRecord]] = []
    thread = threading.Thread(target=lambda: seen.append(store.records()))
    thread.start()
    thread.join()
    assert seen == [[record]]


def test_a_backup_written_over_the_store_is_noticed_whatever_its_counter(path: Path) -> None:
    """``cp backup keys.sqlite`` keeps the inode, and brings a change counter of its own.

    One more write can make that counter equal to the one before: what SQLite has cached must not
    be taken for what is there.
    """
    backup = path.with_name("backup.sqlite")
    with KeyStore(path) as writer:
        writer.create("kept", digest(1), NOW)
    shutil.copy(path, backup)
    with KeyStore(path) as writer:
        writer.create("later", digest(2), NOW)
    with KeyStore(path) as store:
        before = store.data_version()
        assert [record.name for record in store.records()] == ["kept", "later"]
        path.write_bytes(backup.read_bytes())
        with KeyStore(path) as writer:
            writer.revoke("kept", NOW)
        assert store.data_version() != before
        (record,) = store.records()
        assert (record.name, record.revoked_at) == ("kept", NOW)


def test_a_store_in_the_middle_of_being_copied_is_read_when_it_is_whole(path: Path) -> None:
    with KeyStore(path) as store:
        store.create("ci", digest(1), NOW)
        whole = path.read_bytes()
        for part in (0, 100, 4096, 8192, len(whole) - 1):
            path.write_bytes(whole[:part])
            with contextlib.suppress(HeadgateError):  # some halves still hold the whole table
                store.data_version()
                assert [record.name for record in store.records()] == ["ci"]
        path.write_bytes(whole)
        store.data_version()
        assert [record.name for record in store.records()] == ["ci"]


def test_a_key_that_cannot_be_handed_over_is_not_kept(store: KeyStore, path: Path) -> None:
    def fail(record: KeyRecord) -> None:
        assert record.name == "ci"
        raise HeadgateError("nobody there")

    with pytest.raises(HeadgateError, match="nobody there"):
        store.create("ci", digest(1), NOW, hand_over=fail)
    assert store.records() == []
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
