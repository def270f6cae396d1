"""What the tests of the rules share."""

from __future__ import annotations

import pytest

from tests.support.administered import Administered


@pytest.fixture
def house() -> Administered:
    """An empty store under the default rules."""
    return Administered()
