"""Which requests have a line: errors always, a trace's lines together, the rest by rules."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Log
from headgate.contract import table
from headgate.model import Outcome, SpanContext
from headgate.reasons import Reason
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import LOG_LINES_SAMPLED_OUT
from headgate.telemetry.sampling import HEALTH_CHECKS, Sampling
from tests.support.declared import check_access_line
from tests.support.outcomes import an_operation, an_outcome


def a_sampling(draw: float = 0.5, **settings: Any) -> Sampling:
    return Sampling(Log.model_validate(settings), lambda: draw)


def kept(sampling: Sampling, outcome: Outcome) -> bool:
    return sampling.keeps(outcome, sampling.rate(outcome))


def of(family: str, name: str, **different: Any) -> Outcome:
    return an_outcome(operation=an_operation(family, name), **different)


def test_what_is_taken_for_a_health_check_is_in_the_contract() -> None:
    names = {row.operation.name for row in table().rows} | {
        row.operation.name for row in table().gate_pages
    }
    assert names >= HEALTH_CHECKS


def test_without_rules_nothing_is_asked() -> None:
    assert not a_sampling().is_needed
    assert a_sampling(health_checks="errors").is_needed
    assert a_sampling(sample=[{"rate": 0.1}]).is_needed


@given(
    reason=st.sampled_from([each for each in Reason if each is not Reason.OK]),
    status=st.integers(0, 599),
)
def test_errors_always_have_a_line(reason: Reason, status: int) -> None:
    everything = [f"{each}xx" for each in range(1, 6)]
    nothing = a_sampling(sample=[{"rate": 0, "status": everything}])
    assert kept(nothing, an_outcome(reason=reason, status=status))
    assert kept(nothing, an_outcome(status=500 + status % 100))


def test_the_first_rule_that_fits_decides() -> None:
    sampling = a_sampling(
        sample=[
            {"operation": "runs/create", "rate": 1},
            {"family": "runs", "rate": 0},
            {"family": "artifacts", "status": "2xx, 4xx", "rate": 0},
        ]
    )
    assert kept(sampling, of("runs", "runs/create"))
    assert not kept(sampling, of("runs", "runs/get"))
    assert kept(sampling, of("runs", "runs/get", status=404))  # named by no rule
    assert not kept(sampling, of("artifacts", "artifacts/list", status=404))
    assert kept(sampling, of("artifacts", "artifacts/list", status=304))
    assert kept(sampling, of("models", "models/get"))


@pytest.mark.parametrize(
    ("setting", "good", "failed"),
    [("all", 1, 1), ("errors", 0, 1), ("none", 0, 0), ("0.25", 0.25, 1), ("0", 0, 1)],
)
def test_health_checks_have_a_setting_of_their_own(
    setting: str, good: float, failed: float
) -> None:
    sampling = a_sampling(health_checks=setting, sample=[{"rate": 0.5}])
    for name in HEALTH_CHECKS:
        assert sampling.rate(of("gate", name)) == good
        assert sampling.rate(of("gate", name, reason=Reason.NO_ENDPOINT, status=503)) == failed
    assert sampling.rate(of("gate", "gate/metrics")) == 0.5


@given(ids=st.binary(min_size=16, max_size=16).filter(any), rate=st.floats(0, 1))
def test_a_trace_is_kept_or_left_out_as_a_whole(ids: bytes, rate: float) -> None:
    trace = SpanContext(ids.hex().encode(), b"b7ad6b7169203331")
    settings = {"sample": [{"rate": rate}]}
    decided = {
        kept(a_sampling(draw, **settings), of(family, "any", trace=trace))
        for draw in (0.0, 0.99)
        for family in ("runs", "models")
    }
    assert len(decided) == 1


def test_the_part_that_is_kept_is_about_the_rate() -> None:
    sampling = a_sampling(sample=[{"rate": 0.25}])
    traces = [SpanContext(os.urandom(16).hex().encode(), b"1" * 16) for _ in range(4000)]
    share = sum(kept(sampling, an_outcome(trace=each)) for each in traces) / len(traces)
    assert 0.2 < share < 0.3


def test_what_is_left_out_is_counted_and_what_is_kept_says_its_rate() -> None:
    reader, writer = os.pipe()
    try:
        counters = Counters(1)
        log = AccessLog(writer, losses=counters.row(0))
        draws = iter([0.9, 0.1, 0.9])
        log.sample(Sampling(Log.model_validate({"sample": [{"rate": 0.5}]}), lambda: next(draws)))
        for _ in range(3):
            log.write(an_outcome())
        log.write(an_outcome(reason=Reason.FORBIDDEN, status=403))
        log.close()
        lines = [json.loads(each) for each in os.read(reader, 65536).splitlines()]
    finally:
        os.close(reader)
        os.close(writer)
    for line in lines:
        check_access_line(line)
    assert [line.get("sample_rate") for line in lines] == [0.5, None]
    assert counters.totals().value(LOG_LINES_SAMPLED_OUT) == 2
