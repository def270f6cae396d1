"""Debug lines about requests: while they are asked for, and without secrets."""

from __future__ import annotations

import pytest

from headgate.events import EndpointsTried, Event, RequestRouted, RequestTimed, SenderIdentified
from headgate.model import AttemptFailure, FailedAttempt
from headgate.reasons import Reason
from headgate.telemetry.counters import Counters
from headgate.telemetry.debug_lines import DebugLines
from headgate.telemetry.outcome_sinks import OutcomeSinks
from tests.support.outcomes import an_outcome


@pytest.mark.parametrize(
    ("modules", "kinds"),
    [
        (set(), []),
        ({"runtime"}, []),
        ({"auth"}, [SenderIdentified]),
        ({"routing", "cluster"}, [RequestRouted, EndpointsTried]),
        ({"dataplane"}, [RequestTimed]),
    ],
)
def test_each_module_has_its_lines(modules: set[str], kinds: list[type[Event]]) -> None:
    events = list[Event]()
    sinks = OutcomeSinks(Counters(1).row(0), None, events.append)
    lines = DebugLines(sinks, events.append)
    lines.follow(modules)
    sinks.account(an_outcome())
    assert [type(each) for each in events] == kinds
    lines.follow(())
    sinks.account(an_outcome())
    assert len(events) == len(kinds)


def test_they_say_why_and_never_a_query() -> None:
    events = list[Event]()
    sinks = OutcomeSinks(Counters(1).row(0), None, events.append)
    DebugLines(sinks, events.append).follow({"auth", "routing", "cluster"})
    failed = FailedAttempt("10.0.0.7:5000", AttemptFailure.RESET, "it closed", 0.0, 0.1)
    sinks.account(
        an_outcome(
            target=b"http://user:canary@gate/version?token=canary",
            reason=Reason.FORBIDDEN,
            detail="no grant allows it",
            attempts=2,
            retries=(failed,),
        )
    )
    text = " ".join(each.message() for each in events)
    assert "no grant allows it" in text
    assert "10.0.0.7:5000: reset, it closed" in text
    assert "canary" not in text + str([each.fields() for each in events])


def test_a_path_of_no_route_and_a_request_that_reached_no_endpoint() -> None:
    events = list[Event]()
    sinks = OutcomeSinks(Counters(1).row(0), None, events.append)
    DebugLines(sinks, events.append).follow({"routing", "cluster"})
    sinks.account(an_outcome(family="", attempts=0))
    (only,) = events
    assert only.message().endswith("is no known route")
