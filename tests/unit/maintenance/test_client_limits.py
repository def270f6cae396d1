"""The rule for ``Retry-After``, and how far the attempts of a client reach with it."""

from __future__ import annotations

import pytest

from headgate.maintenance.client_limits import MLFLOW, PLAIN_OTLP, longest_park, retry_after


@pytest.mark.parametrize(
    ("age", "held", "expected"),
    [
        (0, True, 5),
        (100, True, 13),
        (225, True, 29),
        (10_000, True, 300),
        (0, False, 30),
        (240, False, 240),
        (100_000, False, 900),
    ],
)
def test_it_grows_with_the_age_of_the_park_within_limits(
    age: float, held: bool, expected: int
) -> None:
    assert retry_after(age, held=held) == expected


def test_it_is_within_what_the_client_obeys_in_full() -> None:
    assert retry_after(1e9, held=False) < MLFLOW.longest_retry_after


@pytest.mark.parametrize(("hold", "minutes"), [(100, 20), (55, 11), (0, 31)])
def test_a_client_survives_more_than_the_longest_usual_park(hold: float, minutes: int) -> None:
    assert longest_park(hold) // 60 == minutes


def test_a_client_that_spent_attempts_in_a_park_survives_an_hour_more_of_refusals() -> None:
    first = 240.0  # the lease ran out: three attempts were spent, five are left
    assert longest_park(0, arrival=first, attempts_left=5) - first > 2400


def test_a_plain_exporter_is_lost_after_its_ten_seconds() -> None:
    assert longest_park(100, PLAIN_OTLP) == longest_park(0, PLAIN_OTLP, arrival=0) == 10


def test_nobody_stays_away_for_much_longer_than_is_left() -> None:
    assert retry_after(600, held=False, remaining=12.2) == 13
    assert retry_after(600, held=True, remaining=-1) == 1
