"""Hands events to what subscribed to them."""

from __future__ import annotations

from headgate.events.defects import InternalError
from headgate.events.event import Emit, Event


class EventBus:
    """The bus of one process: each event goes to every sink, in the order of subscription.

    What emits an event must not fail for a sink's sake.  So a sink that fails is reported to the
    others, once until it works again.

    The end of a request is no event of this bus: it is the only one that is hot, and goes straight
    to ``headgate.telemetry.outcome_sinks``.
    """

    def __init__(self) -> None:
        self._sinks: dict[str, Emit] = {}
        self._failing: set[str] = set()

    def subscribe(self, name: str, sink: Emit) -> None:
        """Let ``sink`` have every event from now on; ``name`` is for the report of its failure."""
        self._sinks[name] = sink

    def emit(self, event: Event) -> None:
        """Hand an event to every sink."""
        for name, sink in tuple(self._sinks.items()):
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - supervisor: no sink may end what emits
                self._report(name, error)
            else:
                self._failing.discard(name)

    def _report(self, name: str, error: Exception) -> None:
        if name in self._failing:
            return
        self._failing.add(name)
        report = InternalError(f"handing events to the {name}", error)
        for other, sink in tuple(self._sinks.items()):
            if other not in self._failing:
                try:
                    sink(report)
                except Exception:  # noqa: BLE001, S112 - supervisor: its next event reports it
                    continue
