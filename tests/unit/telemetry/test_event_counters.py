"""The counters that follow events."""

from __future__ import annotations

import pytest

from headgate.events import (
    BreakGlassUsed,
    CreateReconciled,
    EndCause,
    EndpointEjected,
    Event,
    HandedOver,
    HandOverFailed,
    Reconciled,
    TakenOver,
    WorkerEnded,
)
from headgate.model import Endpoint
from headgate.telemetry.counters import Counters
from headgate.telemetry.event_counters import EventCounters
from headgate.telemetry.metrics import (
    BREAK_GLASS_USES,
    CREATES,
    EJECTIONS,
    HAND_OVERS,
    METRICS,
    WORKER_RESTARTS,
    Metric,
)
from tests.support.events import EXAMPLES

COUNTED = [
    *(
        (WorkerEnded(0, 4711, cause, 0, None, None), WORKER_RESTARTS, (cause.value,))
        for cause in EndCause
    ),
    (BreakGlassUsed("sha256:0123456789ab", "no database", "192.0.2.1"), BREAK_GLASS_USES, ()),
    (
        EndpointEjected(1.0, "default", Endpoint("10.0.0.7", 5000), "reset", 20.0, 1),
        EJECTIONS,
        ("default",),
    ),
    *(
        (
            CreateReconciled("r", "default", "runs/create", result, 0.1),
            CREATES,
            ("default", result.value),
        )
        for result in Reconciled
        if result is not Reconciled.HELD
    ),
    (TakenOver(4711, "1.2.3", died=False), HAND_OVERS, ("taken_over",)),
    (TakenOver(4711, "1.2.3", died=True), HAND_OVERS, ("from_dead",)),
    (HandOverFailed(4711, "1.2.3", "ended before it served"), HAND_OVERS, ("failed",)),
    (HandedOver(4711, "1.2.3"), HAND_OVERS, ("handed_over",)),
]


@pytest.mark.parametrize(("event", "metric", "labels"), COUNTED)
def test_an_event_is_counted_in_one_series(
    event: Event, metric: Metric, labels: tuple[str, ...]
) -> None:
    counters = Counters(1)
    EventCounters(counters.supervisor_row())(event)
    assert counters.totals().value(metric, *labels) == 1
    assert counted(counters) == {metric.name: 1}


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_any_other_event_counts_nothing(event: Event) -> None:
    counters = Counters(1)
    EventCounters(counters.row(0))(event)
    assert bool(counted(counters)) is any(type(event) is type(each) for each, *_ in COUNTED)


def counted(counters: Counters) -> dict[str, int]:
    totals = counters.totals()
    sums = {each.name: sum(sum(one.cells) for one in totals.series(each)) for each in METRICS}
    return {name: value for name, value in sums.items() if value}
