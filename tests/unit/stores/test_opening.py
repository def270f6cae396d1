"""Which store a configuration opens, and one that is missing at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import Config
from headgate.errors import HeadgateError
from headgate.stores import (
    KeyStore,
    key_store_location,
    key_store_warnings,
    open_key_source,
    open_key_store,
)
from headgate.stores.late import LateKeySource
from headgate.testing.key_store import MemoryKeyStore


def test_the_store_of_a_data_folder_is_a_file_in_it(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    with open_key_store(config) as store:
        assert store.is_new
        assert store.location == key_store_location(config) == str(tmp_path / "keys.sqlite")
    assert key_store_warnings(config) == []


def test_a_store_is_made_only_where_that_is_asked_for(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    with pytest.raises(HeadgateError, match="there is no key store"):
        open_key_store(config, create=False)
    source = open_key_source(config)
    with pytest.raises(HeadgateError, match="there is no key store"):
        source.revision()
    source.close()
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_comes_late_is_opened_once_and_closed() -> None:
    opened: list[KeyStore] = []
    store = MemoryKeyStore()
    store.create("ci", b"\x01" * 32, 1)

    def open_source() -> KeyStore:
        opened.append(store)
        return store

    source = LateKeySource(open_source)
    source.close()
    assert opened == []
    assert source.revision() == store.revision()
    assert source.snapshot() == store.snapshot()
    source.close()
    assert opened == [store]
