"""A target is met, missed, or not judged; never passed over."""

from __future__ import annotations

import pytest

from bench.series import Better, Estimate, Series
from bench.targets import ALL_TELEMETRY, GATE, TARGETS, Judgement, Sense, Verdict, judge

ALL = sorted({target.series.partition(".")[0] for target in TARGETS})


def verdicts(*series: Series, cores: int = 2) -> dict[tuple[str, str | None], Verdict]:
    found = judge({each.name: each for each in series}, cores, ALL)
    return {
        (each.target.series, each.target.against): each
        for each in found
        if each.target.subject == GATE
    }


def figures(name: str, **samples: list[float]) -> Series:
    return Series(name, "Title", "MB", Better.LOWER, samples)


@pytest.mark.parametrize(
    ("sense", "below", "equal", "above"),
    [
        (Sense.AT_MOST, True, True, False),
        (Sense.BELOW, True, False, False),
        (Sense.AT_LEAST, False, True, True),
    ],
)
def test_senses(sense: Sense, below: bool, equal: bool, above: bool) -> None:
    assert [sense.holds(figure, 2.0) for figure in (1.9, 2.0, 2.1)] == [below, equal, above]


def test_an_absolute_target_judges_the_gates_median() -> None:
    found = verdicts(figures("uploads.peak", headgate=[79.0, 500.0, 80.0], nginx=[1.0, 1.0, 1.0]))
    verdict = found["uploads.peak", None]
    assert verdict.judgement is Judgement.MET
    assert verdict.figure == Estimate(80.0, 79.0, 500.0)
    assert verdict.unit == "MB"


def test_a_ratio_judges_the_gate_against_the_peer_that_the_target_names() -> None:
    found = verdicts(
        figures("cpu.alike", headgate=[16.0], nginx=[10.0], caddy=[100.0]),
    )
    assert found["cpu.alike", "nginx"].judgement is Judgement.MISSED
    assert found["cpu.alike", "caddy"].judgement is Judgement.MET
    assert found["cpu.alike", "nginx+auth_request"].judgement is Judgement.NOT_MEASURED


def test_a_target_may_be_another_subjects_and_its_verdict_says_whose() -> None:
    samples = {"headgate": [10.0], ALL_TELEMETRY: [14.0], "nginx": [10.0]}
    series = Series("telemetry.alike", "Title", "µs", Better.LOWER, samples)
    found = [
        each
        for each in judge({series.name: series}, 2, ALL)
        if each.target.subject == ALL_TELEMETRY and each.target.series == "telemetry.alike"
    ]
    assert [(each.title, each.judgement) for each in found] == [
        (f"{ALL_TELEMETRY}: Title", Judgement.MISSED)
    ]
    assert found[0].figure == Estimate(1.4, 1.4, 1.4)


def test_what_was_not_measured_is_said_to_be_so() -> None:
    found = verdicts()
    assert len(found) == sum(target.subject == GATE for target in TARGETS)
    assert {verdict.judgement for verdict in found.values()} == {Judgement.NOT_MEASURED}


def test_a_figure_that_needs_more_cores_is_shown_but_not_judged() -> None:
    rate = figures("workers.rate", headgate=[0.9])
    few, many = verdicts(rate, cores=2), verdicts(rate, cores=4)
    assert few["workers.rate", None].judgement is Judgement.NEEDS_CORES
    assert few["workers.rate", None].figure == Estimate(0.9, 0.9, 0.9)
    assert many["workers.rate", None].judgement is Judgement.MISSED


def test_only_the_targets_of_the_chosen_benchmarks_are_judged() -> None:
    found = judge({}, 2, ["idle", "uploads"])
    assert {verdict.target.series for verdict in found} == {"idle.memory", "uploads.peak"}
