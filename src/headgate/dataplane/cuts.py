"""Counts the connections that were closed because of a limit."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.events import CutLimit


class Cuts:
    """What was cut since somebody asked."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[CutLimit, int] = {}

    def add(self, limit: CutLimit) -> None:
        """Count one connection."""
        self._counts[limit] = self._counts.get(limit, 0) + 1

    def take(self) -> Mapping[CutLimit, int]:
        """How many since the last call, by limit."""
        counts, self._counts = self._counts, {}
        return counts
