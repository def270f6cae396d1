"""The series of requests are bounded, whatever is sent, and no request is left out."""

from __future__ import annotations

import itertools

from headgate.contract import table
from headgate.model import FAMILIES, NOBODY
from headgate.reasons import Reason
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import FAMILY, METHOD, METRICS, NONE, REASON, REQUESTS, STATUS
from headgate.telemetry.request_series import MOST_REFUSED, RESERVED, RequestSeries
from tests.support.outcomes import an_outcome

METHODS = (b"GET", b"POST", b"", b"BREW")
STATUSES = (0, 101, 200, 302, 404, 503)


def test_a_page_with_two_upstreams_has_at_most_1550_series() -> None:
    assert sum(each.series(upstreams=2) for each in METRICS) <= 1550


def test_every_combination_is_counted_and_the_places_suffice() -> None:
    counters = Counters(2)
    sent = 0
    for family, reason, method, status in itertools.product(
        ("", *FAMILIES), Reason, METHODS, STATUSES
    ):
        outcome = an_outcome(family=family, reason=reason, method=method, status=status)
        counters.row(sent % 2).count(outcome)
        sent += 1
    series = list(counters.totals().series(REQUESTS))
    assert sum(each.cells[0] for each in series) == sent
    assert len(series) <= REQUESTS.most
    named = [each for each in series if each.labels[0] != NONE]
    assert sum(each.labels[3] != "ok" for each in named) <= MOST_REFUSED
    assert len(series) - len(named) <= RESERVED


def test_each_reason_has_a_series_even_when_the_places_of_families_are_taken() -> None:
    counters = Counters(1)
    for family, status in itertools.product(FAMILIES, STATUSES):
        for method in METHODS:
            counters.row(0).count(an_outcome(family=family, method=method, status=status))
    for family, reason in itertools.product(FAMILIES, Reason):
        counters.row(0).count(an_outcome(family=family, reason=reason, status=reason.status))
    found = {each.labels[3]: 0 for each in counters.totals().series(REQUESTS)}
    assert set(found) == set(REASON.values)


def test_strangers_take_no_place_of_a_family() -> None:
    """What is refused before its sender is known is told apart by its reason alone."""
    counters = Counters(1)
    for family, method in itertools.product(FAMILIES, METHODS):
        counters.row(0).count(
            an_outcome(
                family=family,
                method=method,
                reason=Reason.KEY_UNKNOWN,
                status=401,
                principal=NOBODY,
            )
        )
    (series,) = counters.totals().series(REQUESTS)
    assert series.labels == (NONE, NONE, "4xx", "key_unknown")
    assert series.cells == (len(FAMILIES) * len(METHODS),)


def test_what_an_identified_sender_is_refused_is_told_apart_by_family() -> None:
    counters = Counters(1)
    counters.row(0).count(
        an_outcome(family="runs", method=b"POST", reason=Reason.FORBIDDEN, status=403)
    )
    (series,) = counters.totals().series(REQUESTS)
    assert series.labels == ("runs", "write", "4xx", "forbidden")


def test_every_family_and_method_of_the_contract_has_room_beside_the_refused() -> None:
    """What MLflow responds to is never merged, unless it redirects nearly everything."""
    pairs = {(row.operation.family, row.method in ("GET", "HEAD")) for row in table().rows}
    classes = ("2xx", "4xx", "5xx")
    assert len(pairs) * len(classes) + MOST_REFUSED <= REQUESTS.most - RESERVED


def test_a_place_stays_the_same() -> None:
    series = RequestSeries()
    values = (1, 1, 2, 0)
    place = series.place(*values)
    for reason in range(1, len(REASON.values)):
        series.place(2, 1, 4, reason)
    assert series.place(*values) == place
    labels = series.labels()[place]
    wanted = [label.values[at] for label, at in zip((FAMILY, METHOD, STATUS), values, strict=False)]
    assert list(labels[:3]) == wanted
