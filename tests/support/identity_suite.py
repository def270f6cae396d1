"""What every identity store does, whatever it is built on: one suite for all of them.

A module that tests an implementation has a subclass of ``IdentityStoreSuite``, and a fixture
``open_store`` that opens one store once more at each call, as another process does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headgate.errors import HeadgateError
from headgate.stores.identity import Changes, IdentityStore, Position, Transaction
from headgate.stores.records import FirstKey, KeyRecord, KeyUse, PrincipalKind, PrincipalRecord

NOW = 1_000
Open = Callable[[], IdentityStore]


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def key(number: int, **fields: object) -> KeyRecord:
    record = KeyRecord(f"k_{number:08}", f"key {number}", digest(number), NOW)
    return replace(record, **fields)  # type: ignore[arg-type]


def principal(number: int, **fields: object) -> PrincipalRecord:
    record = PrincipalRecord(
        f"p_{number:08}", f"principal {number}", PrincipalKind.SERVICE, ("viewer",), NOW
    )
    return replace(record, **fields)  # type: ignore[arg-type]


FULL_KEY = KeyRecord(
    id="k_0000full",
    name="Ada's; -- \N{SNOWMAN} key",
    digest=b"\xff" * 32,
    created_at=NOW,
    expires_at=NOW + 1,
    revoked_at=NOW + 2,
    roles=("writer", "team-a"),
    roles_edition=1,
    principal_id="p_0000full",
    description="first line\nsecond % line",
    narrowing=("read:experiments experiment=a b", "write:runs"),
    created_by="p_00000ada",
    replaces="k_00000000",
    break_glass="the identity provider is down",
)
FULL_PRINCIPAL = PrincipalRecord(
    id="p_0000full",
    name="ada@example.org",
    kind=PrincipalKind.PERSON,
    roles=("admin", "viewer"),
    created_at=NOW,
    created_by="cli",
    description="\N{SNOWMAN}\n",
    disabled_at=NOW + 5,
)


def put(store: IdentityStore, *records: KeyRecord | PrincipalRecord) -> None:
    """Keep all of them in one transaction."""
    with store.transaction() as transaction:
        for record in records:
            if isinstance(record, KeyRecord):
                transaction.put_key(record)
            else:
                transaction.put_principal(record)


def everything(store: IdentityStore) -> Changes:
    changes = store.changes(None)
    assert changes is not None
    assert changes.complete
    return changes


def changed(store: IdentityStore, since: Position) -> Changes:
    changes = store.changes(since)
    assert changes is not None
    assert not changes.complete
    assert store.changes(changes.position) is None
    return changes


class IdentityStoreSuite:
    """The tests; ``store`` is one that ``open_store`` gives."""

    is_made_when_opened = True

    @pytest.fixture
    def store(self, open_store: Open) -> Iterator[IdentityStore]:
        with open_store() as store:
            yield store

    def test_keys_and_principals_are_read_in_pages(self, store: IdentityStore) -> None:
        one, other = principal(1), principal(2)
        keys = [key(at, principal_id=(one, other)[at % 2].id) for at in range(1, 8)]
        put(store, one, other, *keys)
        with store.reading() as reading:
            found = []
            after = 0
            while rows := reading.key_page(after, 3):
                assert len(rows) <= 3
                found += [record for _, record in rows]
                after = rows[-1][0]
            assert found == keys
            of_one = reading.key_page(0, 100, principal_id=one.id)
            assert [record for _, record in of_one] == [keys[1], keys[3], keys[5]]
            assert reading.key_page(of_one[1][0], 1, principal_id=one.id) == of_one[2:]
            assert [record for _, record in reading.key_page(0, 9, name="key 5")] == [keys[4]]
            assert list(reading.key_page(0, 9, name="key 5", principal_id=one.id)) == []
            assert list(reading.key_page(0, 9, name="\ud800")) == []
            first, second = reading.principal_page(0, 9)
            assert [first[1], second[1]] == [one, other]
            assert list(reading.principal_page(first[0], 9)) == [second]

    def test_a_page_has_the_keys_of_older_gates(self, store: IdentityStore) -> None:
        old, new = key(1), key(2, principal_id="p_00000001")
        put(store, old, new)
        with store.reading() as reading:
            of_account = reading.key_page(0, 9, principal_id="p_00000001")
            assert [record for _, record in of_account] == [old, new]
            assert [record for _, record in reading.key_page(0, 9, principal_id="")] == [old]

    def test_uses_and_replacements_of_some_keys(self, store: IdentityStore) -> None:
        of = {"principal_id": "p_00000001"}
        first, second = key(1, **of), key(2, replaces="k_00000001", **of)
        third = key(3, replaces="k_00000001", **of)
        put(store, first, second, third)
        use = KeyUse(first.id, NOW, "192.0.2.1")
        store.record_uses([use, KeyUse(second.id, NOW, "192.0.2.2")])
        with store.reading() as reading:
            assert reading.uses([first.id, third.id]) == {first.id: use}
            assert reading.uses([]) == {}
            assert reading.replacements([first, second]) == {first.id: third.id}
            assert reading.replacements([]) == {}

    def test_a_new_store_is_empty_and_says_where_it_is(self, store: IdentityStore) -> None:
        assert store.is_new is self.is_made_when_opened
        assert store.location
        changes = everything(store)
        assert (list(changes.principals), list(changes.keys), list(changes.unreadable)) == (
            ([], [], [])
        )
        assert store.changes(changes.position) is None
        with store.reading() as reading:
            assert reading.first_key() is None
            assert not reading.uses()

    def test_records_are_kept_as_they_are_given(
        self, store: IdentityStore, open_store: Open
    ) -> None:
        put(store, FULL_PRINCIPAL, FULL_KEY, key(1), principal(1))
        with open_store() as other:
            changes = everything(other)
            assert list(changes.keys) == [FULL_KEY, key(1)]
            assert list(changes.principals) == [FULL_PRINCIPAL, principal(1)]
            with other.reading() as reading:
                assert list(reading.keys()) == [FULL_KEY, key(1)]
                assert list(reading.principals()) == [FULL_PRINCIPAL, principal(1)]

    def test_a_record_replaces_the_one_with_its_id(self, store: IdentityStore) -> None:
        """At the place that it had."""
        put(store, principal(1), principal(2), key(1), key(2))
        newer_key = replace(FULL_KEY, id=key(1).id)
        newer_principal = replace(FULL_PRINCIPAL, id=principal(1).id)
        put(store, newer_principal, newer_key)
        changes = everything(store)
        assert list(changes.keys) == [newer_key, key(2)]
        assert list(changes.principals) == [newer_principal, principal(2)]

    def test_records_are_found(self, store: IdentityStore) -> None:
        """Exactly: nothing is a pattern, and nothing else is near enough."""
        old, new = key(1, name="ci"), key(2, name="ci", principal_id="p_00000001")
        put(store, principal(1), old, new)
        for reader in (store.reading, store.transaction):
            with reader() as reading:
                assert reading.principal("p_00000001") == principal(1)
                assert reading.principal("principal 1") == principal(1)
                assert reading.key("ci") == new
                assert reading.key(old.id) == old
                assert reading.key_with(digest(1)) == old
                assert reading.key_with(digest(9)) is None
                assert list(reading.keys("p_00000001")) == [new]
                assert list(reading.keys("p_00000009")) == []
                for unknown in ("", "CI", "c%", "c_", "k_00000009", "' OR '1'='1", "\ud800", "\0"):
                    assert reading.key(unknown) is None
                    assert reading.principal(unknown) is None

    def test_a_follower_is_shown_what_changed_and_only_that(
        self, store: IdentityStore, open_store: Open
    ) -> None:
        """Whether this store makes the change or another one does."""
        put(store, principal(1), principal(2), key(1), key(2))
        with open_store() as other:
            seen = everything(store).position
            assert everything(other).position == seen
            for writer, follower in ((store, other), (other, store), (store, store)):
                newer = key(1, description=f"by {writer is store}, seen by {follower is store}")
                put(writer, newer)
                changes = changed(follower, seen)
                assert (list(changes.keys), list(changes.principals)) == ([newer], [])
                seen = changes.position
            put(other, principal(2, disabled_at=NOW))
            put(other, key(3))
            changes = changed(store, seen)
            assert list(changes.principals) == [principal(2, disabled_at=NOW)]
            assert list(changes.keys) == [key(3)]

    def test_one_transaction_is_one_change(self, store: IdentityStore) -> None:
        before = everything(store).position
        put(store, principal(1), key(1), key(2), key(1, description="newer"))
        changes = changed(store, before)
        assert changes.position.sequence == before.sequence + 1
        assert list(changes.keys) == [key(1, description="newer"), key(2)]

    def test_a_transaction_that_puts_nothing_is_no_change(self, store: IdentityStore) -> None:
        before = everything(store).position
        with store.transaction() as transaction:
            assert list(transaction.keys()) == []
        assert store.changes(before) is None

    def test_a_position_of_another_store_gets_everything(self, store: IdentityStore) -> None:
        put(store, key(1))
        put(store, key(2))
        position = everything(store).position
        for other in (
            Position(position.sequence, "another"),
            Position(position.sequence - 1, "another"),
            Position(position.sequence + 1, position.token),
            Position(10**9, position.token),
            Position(-1, ""),
        ):
            changes = store.changes(other)
            assert changes is not None
            assert changes.complete
            assert changes.position == position
            assert list(changes.keys) == [key(1), key(2)]

    def test_a_transaction_that_fails_changes_nothing(
        self, store: IdentityStore, open_store: Open
    ) -> None:
        """And leaves no lock behind."""
        before = everything(store).position

        def fail(transaction: Transaction) -> None:
            transaction.put_principal(principal(1))
            transaction.put_key(key(1))
            transaction.put_first_key(FirstKey(key(1).id, NOW))
            raise KeyError

        with pytest.raises(KeyError), store.transaction() as transaction:
            fail(transaction)
        assert store.changes(before) is None
        with open_store() as other:
            put(other, key(2))
        with store.reading() as reading:
            assert list(reading.keys()) == [key(2)]
            assert reading.first_key() is None

    def test_a_transaction_reads_what_it_has_put(self, store: IdentityStore) -> None:
        with store.transaction() as transaction:
            transaction.put_principal(principal(1))
            transaction.put_key(key(1))
            assert transaction.principal("principal 1") == principal(1)
            assert transaction.key("key 1") == key(1)
            transaction.put_key(key(1, revoked_at=NOW))
            assert list(transaction.keys()) == [key(1, revoked_at=NOW)]

    def test_two_keys_never_share_a_digest(self, store: IdentityStore) -> None:
        put(store, key(1))
        with pytest.raises(HeadgateError):
            put(store, key(2, digest=digest(1)))
        assert list(everything(store).keys) == [key(1)]

    def test_two_principals_never_share_a_name(self, store: IdentityStore) -> None:
        put(store, principal(1))
        with pytest.raises(HeadgateError):
            put(store, principal(2, name="principal 1"))
        assert list(everything(store).principals) == [principal(1)]

    def test_nothing_is_put_while_reading(self, store: IdentityStore) -> None:
        with store.reading() as reading:
            with pytest.raises(TypeError):
                reading.put_key(key(1))
            with pytest.raises(TypeError):
                reading.put_principal(principal(1))
            with pytest.raises(TypeError):
                reading.put_first_key(FirstKey("k_00000001", NOW))
        assert list(everything(store).keys) == []

    def test_uses_are_kept_and_no_change(self, store: IdentityStore, open_store: Open) -> None:
        """The latest of each key, in whatever order they arrive; those of unknown keys are not."""
        put(store, key(1), key(2))
        before = everything(store).position
        store.record_uses([KeyUse(key(1).id, NOW + 5, "192.0.2.5"), KeyUse("k_unknown", NOW, "::")])
        with open_store() as other:
            other.record_uses(
                [
                    KeyUse(key(1).id, NOW + 4, "192.0.2.4"),
                    KeyUse(key(2).id, NOW + 1, "2001:db8::1"),
                    KeyUse(key(2).id, NOW + 3, "2001:db8::3"),
                    KeyUse(key(2).id, NOW + 2, "2001:db8::2"),
                ]
            )
            other.record_uses([])
            assert other.changes(before) is None
        assert store.changes(before) is None
        with store.reading() as reading:
            assert reading.uses() == {
                key(1).id: KeyUse(key(1).id, NOW + 5, "192.0.2.5"),
                key(2).id: KeyUse(key(2).id, NOW + 3, "2001:db8::3"),
            }

    def test_the_first_key_is_taken_once(self, store: IdentityStore, open_store: Open) -> None:
        with store.transaction() as transaction:
            transaction.put_first_key(FirstKey(key(1).id, NOW))
        with open_store() as other:
            with pytest.raises(HeadgateError), other.transaction() as transaction:
                transaction.put_first_key(FirstKey(key(2).id, NOW))
            with other.reading() as reading:
                assert reading.first_key() == FirstKey(key(1).id, NOW)

    def test_transactions_wait_for_each_other(self, open_store: Open) -> None:
        """What one reads stays true until it ends: each finds the number that the last one left."""
        start = threading.Barrier(4)

        def count_up(_: int) -> None:
            with open_store() as store:
                start.wait()
                for _ in range(5):
                    with store.transaction() as transaction:
                        known = len(transaction.keys())
                        transaction.put_key(key(known))

        with open_store() as store:
            before = everything(store).position
            with ThreadPoolExecutor(4) as executor:
                list(executor.map(count_up, range(4)))  # raises what any of them raised
            changes = changed(store, before)
            assert list(changes.keys) == [key(number) for number in range(20)]
            assert changes.position.sequence == before.sequence + 20

    def test_a_store_serves_several_threads_one_after_the_other(self, store: IdentityStore) -> None:
        """The gate loads at start and then follows from a thread of its own."""
        put(store, key(1))
        with ThreadPoolExecutor(1) as executor:
            seen = executor.submit(everything, store).result()
            assert list(seen.keys) == [key(1)]
            executor.submit(put, store, key(2)).result()
        assert list(changed(store, seen.position).keys) == [key(2)]
