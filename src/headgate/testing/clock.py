"""Time that passes when the test says so."""

from __future__ import annotations


class ManualClock:
    """A clock for ``DataPlane`` and ``Pool``: seconds from an arbitrary start."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.now += seconds
