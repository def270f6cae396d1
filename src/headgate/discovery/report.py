"""What every adapter does, and to whom it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headgate.cluster import Found
from headgate.net.addresses import is_forbidden

__all__ = ["MAX_TTL", "MIN_TTL", "Discovery", "Report", "is_forbidden"]

MIN_TTL = 1.0
MAX_TTL = 30.0
"""Seconds; a record's own TTL counts between these two."""


class Report(Protocol):
    """Who learns what was found."""

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """These are all the endpoints that ``source`` names now, for ``ttl`` seconds."""

    def failed(self, source: str, error: str) -> None:
        """``source`` could not be asked, or names nothing; ``error`` is a clause for a person."""


class Discovery(Protocol):
    """Finds the endpoints of one upstream."""

    async def run(self, report: Report) -> None:
        """Report at once, and again whenever something may have changed, until cancelled."""

    def refresh_now(self) -> None:
        """Look again before its time: nothing that was found answers any more."""
