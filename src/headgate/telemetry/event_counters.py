"""The sink that counts events."""

from __future__ import annotations

from headgate.events import (
    BreakGlassUsed,
    CreateReconciled,
    EndpointEjected,
    Event,
    HandedOver,
    HandOverFailed,
    TakenOver,
    WorkerEnded,
)
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import (
    BREAK_GLASS_USES,
    CREATES,
    EJECTIONS,
    HAND_OVERS,
    WORKER_RESTARTS,
)


class EventCounters:
    """Counts those events that metrics show.

    Args:
        row: where this process counts.
    """

    def __init__(self, row: CounterRow) -> None:
        self._row = row

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event:
            case WorkerEnded(cause=cause):
                self._row.add(WORKER_RESTARTS, cause)
            case BreakGlassUsed():
                self._row.add(BREAK_GLASS_USES)
            case EndpointEjected(upstream=upstream):
                self._row.add(EJECTIONS, upstream)
            case CreateReconciled(upstream=upstream, result=result):
                self._row.add(CREATES, upstream, result)
            case TakenOver(died=died):
                self._row.add(HAND_OVERS, "from_dead" if died else "taken_over")
            case HandOverFailed():
                self._row.add(HAND_OVERS, "failed")
            case HandedOver():
                self._row.add(HAND_OVERS, "handed_over")
            case _:
                pass
