"""What the tests of the rules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.config import Config
from headgate.stores import open_identity_store
from tests.support.administered import Administered


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Administered]:
    """An empty store under the default rules."""
    if request.param == "memory":
        yield Administered()
        return
    with open_identity_store(Config(data=tmp_path / "data")) as store:
        yield Administered(store)
