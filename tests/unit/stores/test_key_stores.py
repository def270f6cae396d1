"""What every key store does, whatever it is built on: one suite for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores import KeyRecord, KeyState, KeyStore
from headgate.stores.sqlite.keys import SqliteKeyStore
from headgate.testing.key_store import MemoryKeyStore

NOW = 1_000
Open = Callable[[], KeyStore]
"""Opens the store once more, as another process does."""


def digest(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture(params=["sqlite", "memory"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    memory = MemoryKeyStore()
    if request.param == "memory":
        return lambda: memory
    return lambda: SqliteKeyStore(tmp_path / "keys.sqlite")


@pytest.fixture
def store(open_store: Open) -> Iterator[KeyStore]:
    with open_store() as store:
        yield store


def test_a_new_store_is_empty_and_says_where_it_is(store: KeyStore) -> None:
    assert store.is_new
    assert store.location
    assert (list(store.snapshot().records), list(store.snapshot().unreadable)) == ([], [])


def test_a_key_is_kept_as_it_was_made(store: KeyStore, open_store: Open) -> None:
    """In whole seconds, and for all that open the store."""
    record = store.create("ci", digest(1), now=NOW + 0.9, expires_at=NOW + 60.9)
    assert re.fullmatch(r"k_[0-9A-Za-z]{8}", record.id)
    assert record == KeyRecord(record.id, "ci", digest(1), NOW, NOW + 60, None)
    with open_store() as other:
        assert other.snapshot().records == [record]


def test_the_revision_changes_with_every_change_and_only_then(
    store: KeyStore, open_store: Open
) -> None:
    """Whether this store makes the change or another one does."""
    revisions = [store.revision()]
    with open_store() as other:
        changes: list[Callable[[], object]] = [
            lambda: store.create("ci", digest(1), NOW),
            lambda: other.create("ada", digest(2), NOW),
            lambda: other.set_roles("ada", ["viewer"]),
            lambda: store.revoke("ada", NOW),
        ]
        for change in changes:
            change()
            revisions.append(store.revision())
            store.snapshot()
            assert store.revision() == revisions[-1]
    assert len(set(revisions)) == 5


def test_a_reader_sees_what_others_wrote_while_it_was_open(
    store: KeyStore, open_store: Open
) -> None:
    with open_store() as other:
        record = other.create("ci", digest(1), NOW)
    assert store.snapshot().records == [record]
    assert store.find("ci") == store.find(record.id) == record


def test_a_key_that_cannot_be_handed_over_is_not_kept(store: KeyStore) -> None:
    def fail(record: KeyRecord) -> None:
        raise BrokenPipeError

    with pytest.raises((BrokenPipeError, HeadgateError)):
        store.create("ci", digest(1), NOW, hand_over=fail)
    assert store.snapshot().records == []
    assert store.create("ci", digest(1), NOW).name == "ci"


def test_a_key_has_the_roles_it_was_made_with(store: KeyStore) -> None:
    """Each once, in their order; none unless some are given."""
    record = store.create("ci", digest(1), NOW, roles=["writer", "team-a", "writer"])
    assert record.roles == ("writer", "team-a")
    assert store.create("bare", digest(2), NOW).roles == ()
    assert [each.roles for each in store.snapshot().records] == [("writer", "team-a"), ()]


def test_a_key_can_be_given_other_roles(store: KeyStore) -> None:
    """By name or id, and seen as a change by processes that follow the store."""
    record = store.create("ci", digest(1), NOW, roles=["writer"])
    before = store.revision()
    assert store.set_roles("ci", ["viewer", "viewer"]).roles == ("viewer",)
    assert store.revision() != before
    assert store.set_roles(record.id, []).roles == ()
    assert [each.roles for each in store.snapshot().records] == [()]


def test_a_revoked_key_gets_no_roles(store: KeyStore) -> None:
    store.create("ci", digest(1), NOW, roles=["writer"])
    store.revoke("ci", NOW)
    with pytest.raises(HeadgateError, match="is revoked already"):
        store.set_roles("ci", ["viewer"])
    with pytest.raises(HeadgateError, match="no key has the name 'ada'"):
        store.set_roles("ada", ["viewer"])
    assert [each.roles for each in store.snapshot().records] == [("writer",)]


def test_records_come_oldest_first(store: KeyStore) -> None:
    names = ["b", "a", "c"]
    for number, name in enumerate(names):
        store.create(name, digest(number), now=NOW - number)
    assert [record.name for record in store.snapshot().records] == names


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
    assert store.snapshot().records == [first]


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
    assert store.snapshot().records == []


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_revoked_key_stays_revoked(store: KeyStore, by: str) -> None:
    record = store.create("ci", digest(1), NOW)
    revoked = store.revoke(getattr(record, by), NOW + 1.5)
    assert revoked.revoked_at == NOW + 1
    assert store.snapshot().records == [revoked]
    assert store.revoke(getattr(record, by), NOW + 2) == revoked
    assert store.find(getattr(record, by)) == revoked
    assert store.snapshot().records == [revoked]


def test_revoking_ends_one_key_only(store: KeyStore) -> None:
    store.create("ci", digest(1), NOW)
    other = store.create("nightly", digest(2), NOW)
    store.revoke("ci", NOW)
    assert store.snapshot().records[1] == other


@pytest.mark.parametrize(
    "unknown", ["nobody", "", "k_AAAAAAAA", "CI", "c%", "\ud800", "a\x00", "' OR '1'='1"]
)
def test_an_unknown_key_cannot_be_revoked(store: KeyStore, unknown: str) -> None:
    record = store.create("ci", digest(1), NOW)
    with pytest.raises(HeadgateError, match=r"no key has the .* 'headgate keys list'") as caught:
        store.revoke(unknown, NOW)
    assert str(caught.value).isprintable()
    assert store.snapshot().records == [record]
