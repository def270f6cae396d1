"""The first key of a store, by its SHA-256."""

from __future__ import annotations

from dataclasses import replace

from headgate.config.auth import KeyRules
from headgate.events import FirstKeyRefused, FirstKeyTaken
from headgate.identity.first_key import LONGEST_LIFE, take_first_key
from headgate.stores.records import KeyRecord
from headgate.testing.key_store import MemoryIdentityStore
from tests.support.keyrings import principal

NOW = 1_000_000.0
DIGEST = b"\x01" * 32
OTHER = b"\x02" * 32
RULES = KeyRules()


def keys_of(store: MemoryIdentityStore) -> list[KeyRecord]:
    with store.reading() as reading:
        return list(reading.keys())


def test_a_new_store_takes_it_with_the_role_admin_for_a_week() -> None:
    store = MemoryIdentityStore()
    (event,) = take_first_key(store, DIGEST, RULES, NOW)
    (key,) = keys_of(store)
    assert isinstance(event, FirstKeyTaken)
    assert (event.key_id, key.digest, key.roles) == (key.id, DIGEST, ("admin",))
    assert key.expires_at == NOW + LONGEST_LIFE
    with store.reading() as reading:
        owner = reading.principal(key.principal_id)
    assert owner is not None
    assert (owner.name, owner.roles) == ("first-key", ("admin",))


def test_a_shorter_life_of_the_rules_counts() -> None:
    store = MemoryIdentityStore()
    take_first_key(store, DIGEST, KeyRules(maximum_life=3_600), NOW)
    (key,) = keys_of(store)
    assert key.expires_at == NOW + 3_600


def test_the_same_one_again_is_a_restart_and_said_by_nobody() -> None:
    store = MemoryIdentityStore()
    take_first_key(store, DIGEST, RULES, NOW)
    assert take_first_key(store, DIGEST, RULES, NOW + 5) == []
    assert len(keys_of(store)) == 1


def test_no_other_one_is_taken_ever() -> None:
    """Not after it was revoked, nor after the table of keys was emptied."""
    store = MemoryIdentityStore()
    take_first_key(store, DIGEST, RULES, NOW)
    (key,) = keys_of(store)
    with store.transaction() as transaction:
        transaction.put_key(replace(key, revoked_at=int(NOW)))
    (event,) = take_first_key(store, OTHER, RULES, NOW)
    assert isinstance(event, FirstKeyRefused)
    assert key.id in event.reason
    store._content.keys.clear()
    store._content.principals.clear()
    for digest in (DIGEST, OTHER):
        (event,) = take_first_key(store, digest, RULES, NOW)
        assert isinstance(event, FirstKeyRefused)
    assert keys_of(store) == []


def test_a_store_with_keys_takes_none() -> None:
    store = MemoryIdentityStore()
    with store.transaction() as transaction:
        transaction.put_principal(principal())
        transaction.put_key(
            KeyRecord("k_00000001", "ci", OTHER, 0, revoked_at=5, principal_id=principal().id)
        )
    (event,) = take_first_key(store, DIGEST, RULES, NOW)
    assert isinstance(event, FirstKeyRefused)
    assert "has keys already" in event.reason
