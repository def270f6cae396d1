"""What the limits have refused, for metrics and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.events import Emit, RequestsLimited
from headgate.model import REQUEST_CLASSES, Principal

IN_FLIGHT: Final = "in_flight"
QUEUE: Final = "queue"
LIMITS: Final[Sequence[str]] = (*(each.name for each in REQUEST_CLASSES), IN_FLIGHT, QUEUE)
"""Every limit of a principal: the rate of each class, the share, the place in a full queue."""

REPORT_SECONDS: Final = 10.0
"""The shortest time between two events of one limit in a worker."""
MAX_NAMES: Final = 1000
"""Principals told apart between two events."""


class Tally:
    """Counts the requests that a worker refused since a principal had reached a limit.

    Args:
        emit: takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit: Final = emit
        self._counts: dict[str, int] = {}
        self._recent: Final[dict[str, dict[str, int]]] = {}  # by limit, then by principal's id
        self._names: Final[dict[str, str]] = {}
        self._due: Final[dict[str, float]] = {}

    def refused(self, limit: str, principal: Principal) -> None:
        """Count one."""
        self._counts[limit] = self._counts.get(limit, 0) + 1
        recent = self._recent.setdefault(limit, {})
        if principal.id in recent or len(recent) < MAX_NAMES:
            recent[principal.id] = recent.get(principal.id, 0) + 1
            self._names[principal.id] = principal.name

    def counts(self) -> Mapping[str, int]:
        """How many since the last call, by limit."""
        counts, self._counts = self._counts, {}
        return counts

    def report(self, now: float) -> None:
        """Emit what was refused since the last event; ``now`` is in seconds."""
        for limit in [each for each in self._recent if now >= self._due.get(each, now)]:
            recent = self._recent.pop(limit)
            self._due[limit] = now + REPORT_SECONDS
            most = max(recent, key=recent.__getitem__)
            count = sum(recent.values())
            name = self._names[most]
            self._emit(RequestsLimited(limit, name, most, recent[most], count, len(recent)))
        if not self._recent:
            self._names.clear()
