"""Unit tests need no network: they must pass, and mean the same, without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.no_network import no_network


@pytest.fixture(autouse=True)
def network() -> Iterator[list[str]]:
    """Fail a test that uses the network, even where the error is caught."""
    with no_network() as refused:
        yield refused
    assert not refused, "a unit test used the network"
