"""Making a key: its secret goes to its holder alone."""

from __future__ import annotations

import pytest

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.auth.keys.issuing import issue
from headgate.policy import DEFAULT_ROLES
from headgate.stores import KeyRecord
from headgate.testing.key_store import MemoryKeyStore


def test_the_store_gets_the_digest_and_the_holder_the_secret() -> None:
    store, handed = MemoryKeyStore(), list[tuple[KeyRecord, str]]()
    record, secret = issue(store, "ci", 1, hand_over=lambda *given: handed.append(given))
    assert form_of(secret) is KeyForm.WELL_FORMED
    assert (record.digest, record.roles) == (digest(secret), tuple(DEFAULT_ROLES))
    assert store.find("ci") == record
    assert handed == [(record, secret)]


def test_a_secret_that_reaches_nobody_opens_nothing() -> None:
    store = MemoryKeyStore()

    def fail(record: KeyRecord, secret: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        issue(store, "ci", 1, hand_over=fail)
    assert store.snapshot().records == []
