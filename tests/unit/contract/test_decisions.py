"""What the rules come to is written out, and a person has looked at it."""

from __future__ import annotations

from tests.unit.contract import decisions


def test_the_decisions_are_those_that_were_looked_at() -> None:
    """A change shows here; write it down with ``python -m tests.unit.contract.decisions``."""
    assert decisions.text().splitlines() == decisions.FILE.read_text("utf-8").splitlines()
