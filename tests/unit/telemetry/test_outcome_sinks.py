"""Every outcome reaches every sink, and a sink that fails ends no request."""

from __future__ import annotations

import os

from headgate.events import Event, InternalError, discard
from headgate.model import Outcome
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters
from headgate.telemetry.outcome_sinks import REPORT_SECONDS, OutcomeSinks
from headgate.testing.clock import ManualClock
from tests.support.counts import counted
from tests.support.outcomes import OUTCOME, an_outcome


def test_an_outcome_is_counted_logged_and_handed_to_those_that_subscribed() -> None:
    reader, writer = os.pipe()
    counters, log = Counters(1), AccessLog(writer)
    taken: list[Outcome] = []
    sinks = OutcomeSinks(counters.row(0), log, discard)
    sinks.subscribe("exporter", taken.append)
    sinks.account(OUTCOME)
    log.close()
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        assert lines.read().count(b"\n") == 1
    assert sum(counted(counters)["meta"].requests.values()) == 1
    assert taken == [OUTCOME]


def test_a_sink_that_fails_is_reported_once_a_minute_and_keeps_nothing_from_the_others() -> None:
    clock = ManualClock()
    events: list[Event] = []
    taken: list[Outcome] = []

    def broken(_outcome: Outcome) -> None:
        raise ConnectionError("the collector is down")

    sinks = OutcomeSinks(Counters(1).row(0), None, events.append, clock)
    sinks.subscribe("exporter", broken)
    sinks.subscribe("audit", taken.append)
    for _ in range(5):
        sinks.account(OUTCOME)
    (report,) = events
    assert isinstance(report, InternalError)
    assert report.activity == "handing outcomes to the exporter"
    assert len(taken) == 5
    clock.advance(REPORT_SECONDS)
    sinks.account(OUTCOME)
    assert len(events) == 2


def test_a_family_that_is_not_declared_is_a_defect_and_no_request_ends_by_it() -> None:
    events: list[Event] = []
    sinks = OutcomeSinks(Counters(1).row(0), None, events.append)
    sinks.account(an_outcome(family="made-up"))
    assert [event.fields() for event in events] == [
        {"activity": "handing outcomes to the counters"}
    ]
