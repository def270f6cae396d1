"""What all processes of a gate have to agree on about logs, in memory that they share.

That are the levels of the gate's parts, and how often the log files were to be opened again.  Each
process compares twice a second (``process_logs.py``); one that is started later finds the same.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from headgate.events import Level

MODULES: Final = (
    "admin",
    "auth",
    "cluster",
    "dataplane",
    "discovery",
    "limits",
    "routing",
    "runtime",
    "telemetry",
)
"""The parts of the gate whose level can be set: their loggers begin with ``headgate.``."""
USUAL: Final = Level.INFO
LEVELS: Final = tuple(Level)

_CELL: Final = 8
_REOPENINGS: Final = 0
_CHANGES: Final = 1
_FIRST: Final = 2
_PER_MODULE: Final = 2  # the level's place in ``LEVELS`` from 1, and milliseconds when it ends


class SetLevel(NamedTuple):
    """The level that a module was set to, and for how many seconds more."""

    module: str
    level: Level
    seconds_left: float


class LogControl:
    """Made before the workers are forked; any process may write.

    Args:
        clock: seconds from a start that all processes of the machine share.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        count = _FIRST + _PER_MODULE * len(MODULES)
        self._cells = memoryview(mmap.mmap(-1, count * _CELL)).cast("Q")

    # --- files -----------------------------------------------------------------------------

    @property
    def reopenings(self) -> int:
        """How often the log files were to be opened again."""
        return self._cells[_REOPENINGS]

    def ask_to_reopen(self) -> None:
        """Let every process open its log files again."""
        self._cells[_REOPENINGS] += 1

    # --- levels ----------------------------------------------------------------------------

    @property
    def changes(self) -> int:
        """A number that grows with each change of a level."""
        return self._cells[_CHANGES]

    def set(self, module: str, level: Level, seconds: float) -> None:
        """Set the level of a module for a while.

        Raises:
            ValueError: there is no such module.
        """
        at = self._at(module)
        self._cells[at + 1] = int((self._clock() + seconds) * 1000)
        self._cells[at] = LEVELS.index(level) + 1
        self._cells[_CHANGES] += 1

    def reset(self, module: str) -> None:
        """Put a module back at its usual level.

        Raises:
            ValueError: there is no such module.
        """
        self._cells[self._at(module)] = 0
        self._cells[_CHANGES] += 1

    def levels(self) -> Iterator[SetLevel]:
        """The modules whose level is set now."""
        now = self._clock()
        for module in MODULES:
            at = self._at(module)
            place, left = self._cells[at], self._cells[at + 1] / 1000 - now
            if place and left > 0:
                yield SetLevel(module, LEVELS[place - 1], left)

    def _at(self, module: str) -> int:
        return _FIRST + _PER_MODULE * MODULES.index(module)
