"""When each worker that has ended is replaced: the later, the more of them have died quickly."""

from __future__ import annotations

import math
from collections.abc import Callable

QUICK_DEATH_SECONDS = 5.0
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is replaced, by how many have died quickly one after the other."""


class Replacements:
    """The workers that are to be started again.

    Args:
        clock: gives seconds from an arbitrary start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[int, float] = {}  # by number
        self._quick_deaths = 0

    def __len__(self) -> int:
        """How many are to be."""
        return len(self._due)

    @property
    def next_at(self) -> float:
        """When the next of them is to be started; infinite: none is."""
        return min(self._due.values(), default=math.inf)

    def schedule(self, number: int, started: float) -> None:
        """The worker ``number``, which was started at ``started``, has ended."""
        now = self._clock()
        quick = now - started < QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        self._due[number] = now + PAUSES[min(max(0, self._quick_deaths - 1), len(PAUSES) - 1)]

    def postpone(self, number: int) -> None:
        """The worker ``number`` could not be started."""
        self._due[number] = self._clock() + PAUSES[-1]

    def take_due(self) -> list[int]:
        """The numbers of those whose pause is over; they are no longer to be."""
        now = self._clock()
        due = [number for number, moment in self._due.items() if moment <= now]
        for number in due:
            del self._due[number]
        return due
