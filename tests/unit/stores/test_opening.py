"""Which store a configuration opens, and one that is missing at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import Config
from headgate.errors import HeadgateError
from headgate.stores import (
    IdentityStore,
    identity_store_location,
    identity_store_warnings,
    open_identity_source,
    open_identity_store,
)
from headgate.stores.late import LateIdentitySource
from headgate.stores.records import KeyUse
from headgate.testing.key_store import MemoryIdentityStore
from tests.support.identity_suite import NOW, everything, key, put


def test_the_store_of_a_data_folder_is_a_file_in_it(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    with open_identity_store(config) as store:
        assert store.is_new
        assert store.location == identity_store_location(config) == str(tmp_path / "keys.sqlite")
    with open_identity_store(config) as store:
        assert not store.is_new
    assert identity_store_warnings(config) == []


def test_a_store_is_made_only_where_that_is_asked_for(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    with pytest.raises(HeadgateError, match="there is no key store"):
        open_identity_store(config, create=False)
    source = open_identity_source(config)
    with pytest.raises(HeadgateError, match="there is no key store"):
        source.changes(None)
    with pytest.raises(HeadgateError, match="there is no key store"):
        source.record_uses([])
    assert list(tmp_path.iterdir()) == []
    with open_identity_store(config) as store:
        put(store, key(1))
        assert source.changes(None) == everything(store)
    source.close()


def test_a_source_that_comes_late_is_opened_once_and_closed() -> None:
    opened: list[IdentityStore] = []
    store = MemoryIdentityStore()
    put(store, key(1))

    def open_source() -> IdentityStore:
        opened.append(store)
        return store

    source = LateIdentitySource(open_source)
    source.close()
    assert opened == []
    assert source.changes(None) == everything(store)
    source.record_uses([KeyUse(key(1).id, NOW, "::1")])
    assert store.recorded == [KeyUse(key(1).id, NOW, "::1")]
    source.close()
    assert opened == [store]
