"""What every adapter of discovery does, and whom it reports to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headgate.cluster import Found
from headgate.net.addresses import is_forbidden
from headgate.symptoms import DiscoveryFailure

__all__ = ["MAX_TTL", "MIN_TTL", "Discovery", "DiscoveryError", "Report", "is_forbidden"]

MIN_TTL = 1.0
MAX_TTL = 30.0
"""Seconds; a record's own TTL counts between these two."""


class DiscoveryError(Exception):
    """A source names no endpoint; ``detail`` is a clause for operators and for the log."""

    def __init__(self, failure: DiscoveryFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


class Report(Protocol):
    """Takes what adapters find."""

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """These are all the endpoints that ``source`` names now, for ``ttl`` seconds."""

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        """``source`` could not be asked, or names nothing; ``detail`` is a clause for a person."""


class Discovery(Protocol):
    """Finds the endpoints of one upstream."""

    async def run(self, report: Report) -> None:
        """Report, and again whenever something may have changed, until cancelled."""

    def refresh_now(self) -> None:
        """Look again before it is due: no endpoint that was found responds any more."""
