"""Time, and that of the machine."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time, which a test drives by hand."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that only increase."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """``Clock`` for commands."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only increase."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: TID251 - a command waits, nothing else runs beside it
