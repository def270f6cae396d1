"""What may be said of measured values: medians, ratios within rounds, and their order."""

from __future__ import annotations

import pytest

from bench.series import Better, Estimate, Series, alternating


def series(**samples: list[float]) -> Series:
    return Series("cpu.alike", "CPU time", "µs", Better.LOWER, samples)


def test_an_estimate_is_the_median_with_the_extremes() -> None:
    assert Estimate.of([3.0, 1.0, 2.0]) == Estimate(2.0, 1.0, 3.0)
    assert Estimate.of([4.0, 1.0]) == Estimate(2.5, 1.0, 4.0)


def test_no_round_gives_no_estimate() -> None:
    with pytest.raises(ValueError, match="no round"):
        Estimate.of([])


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the whole machine was slow changes no ratio."""
    found = series(headgate=[30.0, 300.0, 33.0], nginx=[20.0, 200.0, 20.0])
    assert found.ratio("headgate", "nginx") == Estimate(1.5, 1.5, 1.65)


def test_subjects_of_other_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="same rounds"):
        series(headgate=[1.0, 2.0], nginx=[1.0])


def test_a_series_belongs_to_the_benchmark_it_is_named_after() -> None:
    assert series(headgate=[1.0]).benchmark == "cpu"


def test_json_keeps_all_but_digits_that_mean_nothing() -> None:
    found = series(headgate=[1.23456789, 2.0])
    kept = Series.from_json(found.as_json())
    assert kept == series(headgate=[1.23457, 2.0])


def test_each_round_begins_with_another_subject() -> None:
    assert alternating(["a", "b", "c"], 4) == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
