"""The event log has one line for each event."""

from __future__ import annotations

import json
import logging

import pytest

from headgate.events import (
    DiscoveryFailed,
    EndpointEjected,
    EndpointLeft,
    Event,
    InternalError,
    field_names,
)
from headgate.symptoms import DiscoveryFailure
from headgate.telemetry.event_log import JsonFormatter, log_event
from tests.support.events import EXAMPLES, HERE


def line_of(event: Event, caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    with caplog.at_level(logging.DEBUG, "headgate"):
        log_event(event)
    (record,) = caplog.records
    found: dict[str, object] = json.loads(JsonFormatter().format(record))
    return found


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_a_line_has_what_the_event_declares(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    line = line_of(event, caplog)
    common = {"time", "event", "level", "logger", "message", "pid"}
    own = {each for each in field_names(type(event)) if getattr(event, each) is not None}
    assert set(line) == common | own | (
        {"exception"} if isinstance(event, InternalError) else set()
    )
    assert line["event"] == event.name
    assert line["level"] == event.level
    assert line["logger"] == event.logger
    assert line["message"] == event.message()


@pytest.mark.parametrize(
    ("event", "level", "message", "fields"),
    [
        (
            EndpointLeft(7, "default", HERE, "no longer named by DNS mlflow:5000"),
            "info",
            "10.0.0.7:5000 of default: left: no longer named by DNS mlflow:5000",
            {"event": "endpoint_left", "endpoint": "10.0.0.7:5000", "upstream": "default"},
        ),
        (
            EndpointEjected(7, "default", HERE, "3 failures in a row", 20, 2),
            "warning",
            "10.0.0.7:5000 of default: ejected: 3 failures in a row",
            {"event": "endpoint_ejected", "seconds": 20, "ejections": 2},
        ),
        (
            DiscoveryFailed(
                7,
                "lab",
                "DNS mlflow:5000",
                "NXDOMAIN",
                DiscoveryFailure.NAME_UNKNOWN,
                "Correct it.",
            ),
            "warning",
            "DNS mlflow:5000 of lab: failed: NXDOMAIN",
            {"event": "discovery_failed", "source": "DNS mlflow:5000", "upstream": "lab"},
        ),
    ],
)
def test_what_programs_read_today_stays(
    event: Event,
    level: str,
    message: str,
    fields: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = line_of(event, caplog)
    assert (line["level"], line["message"]) == (level, message)
    assert fields.items() <= line.items()


def test_a_defect_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError("a defect")
    except RuntimeError as error:
        line = line_of(InternalError("testing", error), caplog)
    assert "RuntimeError: a defect" in str(line["exception"])
    assert "test_log_event" in str(line["exception"])
