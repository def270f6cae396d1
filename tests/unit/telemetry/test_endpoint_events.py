"""What the event log is told of upstreams."""

from __future__ import annotations

import json
import logging

import pytest

from headgate.events import DiscoveryFailed, EndpointEjected, EndpointLeft, Event
from headgate.model import Endpoint
from headgate.telemetry.endpoint_events import tell
from headgate.telemetry.event_log import JsonFormatter

HERE = Endpoint("10.0.0.7", 5000)


@pytest.mark.parametrize(
    ("event", "level", "message", "fields"),
    [
        (
            EndpointLeft(7, "default", HERE, "no longer named by DNS mlflow:5000"),
            "info",
            "10.0.0.7:5000 of default: left: no longer named by DNS mlflow:5000",
            {"event": "endpoint_left", "endpoint": "10.0.0.7:5000"},
        ),
        (
            EndpointEjected(7, "default", HERE, "3 failures in a row", 27, 2),
            "warning",
            "10.0.0.7:5000 of default: ejected: 3 failures in a row",
            {"event": "endpoint_ejected", "seconds": 20, "ejections": 2},
        ),
        (
            DiscoveryFailed(7, "lab", "DNS mlflow:5000", "NXDOMAIN"),
            "warning",
            "DNS mlflow:5000 of lab: failed: NXDOMAIN",
            {"event": "discovery_failed", "source": "DNS mlflow:5000", "upstream": "lab"},
        ),
    ],
)
def test_an_event_is_one_line(
    event: Event,
    level: str,
    message: str,
    fields: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "headgate.cluster"):
        tell(event)
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"]) == (level, message)
    assert fields.items() <= line.items()
    assert line["reason"] == event.reason
