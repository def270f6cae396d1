"""Whether a worker's event loop stands still, judged from its heartbeats.

What counts is the time that the supervisor itself ran: a machine that is suspended, a container
that is frozen and a process group that is stopped stand still together, and no worker is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks."""
MOST_PER_LOOK: Final = 2 * LOOK_SECONDS
"""What one look may count, however long ago the last one was."""


class Stopwatch:
    """Seconds between looks, without those in which the one who looks stood still itself."""

    def __init__(self, now: float) -> None:
        self._last = now

    @property
    def due(self) -> float:
        """When to look again."""
        return self._last + LOOK_SECONDS

    def lap(self, now: float) -> float:
        """Seconds to count since the last look."""
        elapsed, self._last = now - self._last, now
        return max(0.0, min(elapsed, MOST_PER_LOOK))


@dataclass(slots=True)
class Pulse:
    """One worker's heartbeats.

    ``beat``: the last one; 0 before the event loop runs and after it has ended.  ``silent``:
    seconds since it changed.
    """

    beat: int = 0
    silent: float = 0.0

    def note(self, beat: int, elapsed: float) -> None:
        """Take a look: ``elapsed`` seconds after the last one the heartbeat is ``beat``."""
        self.silent = self.silent + elapsed if beat == self.beat else 0.0
        self.beat = beat
