"""Every kept seed, and some inputs made of them, are accepted or cleanly refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.fuzzer import fuzz, seeds
from tests.fuzz.targets import TARGETS, outcome


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(target, path, id=f"{target}-{path.name}")
        for target in TARGETS
        for path in seeds(target)
    ],
)
def test_seed(target: str, path: Path) -> None:
    """Seeds named for what they are stay what they are."""
    became = outcome(target, path.read_bytes())
    if path.name.startswith("ok-"):
        assert not became.startswith("refused")
    elif path.name.startswith("no-"):
        assert became.startswith("refused") or became == "hidden"


def test_mutations() -> None:
    """``test_mutations_deep`` and ``python -m tests.fuzz`` try more of them."""
    assert list(fuzz(2000, seed=0)) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_mutations_deep() -> None:
    assert list(fuzz(100_000, seed=1)) == []
