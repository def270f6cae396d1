"""Subscribes the sinks to the bus."""

from __future__ import annotations

from headgate.events import EventBus
from headgate.telemetry.counters import Counters
from headgate.telemetry.event_counters import EventCounters
from headgate.telemetry.event_log import log_event


def event_bus(counters: Counters) -> EventBus:
    """The bus of one process; every sink of events is subscribed here."""
    bus = EventBus()
    bus.subscribe("event log", log_event)
    bus.subscribe("counters", EventCounters(counters))
    return bus
