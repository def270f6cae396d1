"""The dialogue that the tests of the data plane speak in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate.testing.dialogue import Dialogue


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    """A data plane on fakes, with the default limits; nothing may be left behind at the end."""
    dialogue = Dialogue()
    yield dialogue
    dialogue.ends()
