"""The sink that counts events."""

from __future__ import annotations

from headgate.events import Event, WorkerEnded
from headgate.telemetry.counters import Counters


class EventCounters:
    """Counts those events that metrics show."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, WorkerEnded):
            self._counters.count_restart(event.cause)
