"""Subscribes the sinks to the bus."""

from __future__ import annotations

from headgate.events import EventBus
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.event_counters import EventCounters
from headgate.telemetry.event_log import log_event


def event_bus(row: CounterRow) -> EventBus:
    """The bus of one process, which counts in ``row``; every sink of events is subscribed here."""
    bus = EventBus()
    bus.subscribe("event log", log_event)
    bus.subscribe("counters", EventCounters(row))
    return bus
