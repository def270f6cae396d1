"""Metrics for CloudWatch cost nothing where nobody wants them."""

from __future__ import annotations

from headgate.compose.cloudwatch import emf_memory
from headgate.config import load
from headgate.telemetry.counters import Counters


def test_nothing_is_made_by_default() -> None:
    counters = Counters(1)
    on = {"telemetry": {"cloudwatch": {"enabled": True}}}
    assert emf_memory(load(None, {}, {}), counters) is None
    assert emf_memory(load(None, {}, on), counters) is not None
