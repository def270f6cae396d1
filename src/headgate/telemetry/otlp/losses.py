"""Counts exports and what is lost of them, and reports that once a minute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

from headgate.events import Emit, ExportFailed, ExportLossCause, ExportRecovered

REPORT_SECONDS: Final = 60.0
"""The shortest time between two events of one exporter that fails."""


class Counts(Protocol):
    """Where exports are counted."""

    def exported(self, exporter: str, *, ok: bool) -> None:
        """Count one attempt to export."""

    def lost(self, exporter: str, cause: ExportLossCause, amount: int) -> None:
        """Count what is lost."""


class ExportLog:
    """What becomes of the exports of one exporter.

    Args:
        exporter: its name, a value of the label ``exporter``.
        counts: where they are counted.
        emit: takes the events.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self, exporter: str, counts: Counts, emit: Emit, clock: Callable[[], float]
    ) -> None:
        self._exporter = exporter
        self._counts = counts
        self._emit = emit
        self._clock = clock
        self._is_failing = False
        self._unreported = 0
        self._last: tuple[ExportLossCause, str] | None = None
        self._reported = -math.inf

    def worked(self) -> None:
        """An export was taken."""
        self._counts.exported(self._exporter, ok=True)
        if self._is_failing:
            self._is_failing = False
            self._last = None
            lost, self._unreported = self._unreported, 0
            self._emit(ExportRecovered(self._exporter, lost))

    def failed(self, cause: ExportLossCause, problem: str) -> None:
        """An export was not taken; it may be tried again."""
        self._counts.exported(self._exporter, ok=False)
        self._is_failing = True
        self._last = (cause, problem)
        self._report()

    def lost(self, cause: ExportLossCause, amount: int, problem: str) -> None:
        """Some will never be exported."""
        if not amount:
            return
        self._counts.lost(self._exporter, cause, amount)
        self._unreported += amount
        self._last = (cause, problem)
        self._report()

    def look(self) -> None:
        """Report what could not be reported before; to be called now and then."""
        if self._unreported:
            self._report()

    def _report(self) -> None:
        now = self._clock()
        if self._last is None or now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        cause, problem = self._last
        lost, self._unreported = self._unreported, 0
        self._emit(ExportFailed(self._exporter, cause, lost, problem))
