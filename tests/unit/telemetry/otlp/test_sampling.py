"""Which requests are traced, beside what OpenTelemetry's own sampler decides."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from headgate.model import NOBODY, SpanContext
from headgate.telemetry.otlp.sampling import Allowance, TraceSampler, bound_of
from tests.support.outcomes import a_principal

IDS = st.integers(1, 2**128 - 1)
PARENT = b"00f067aa0ba902b7"


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def sampler(ratio: float = 0.0, rate: float = 2.0, clock: Clock | None = None) -> TraceSampler:
    made = TraceSampler(clock or Clock())
    made.configure(ratio, rate)
    return made


def span(trace_id: int, parent: bytes = b"", *, sampled: bool = False) -> SpanContext:
    return SpanContext(b"%032x" % trace_id, parent, b"1" * 16, parent_sampled=sampled)


@given(IDS, st.floats(0, 1))
@example(2**64 - 1, 1.0)
@example(1, 0.0)
@example(2**127, 2**-64)
def test_the_ratio_is_that_of_opentelemetrys_sdk(trace_id: int, ratio: float) -> None:
    theirs = TraceIdRatioBased(ratio).should_sample(None, trace_id, "GET")
    is_sampled = theirs.decision is Decision.RECORD_AND_SAMPLE
    assert sampler(ratio).decide(span(trace_id), NOBODY) is is_sampled


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_ratio_samples_more(one: float, other: float) -> None:
    assert (bound_of(one) <= bound_of(other)) is (one <= other) or bound_of(one) == bound_of(other)


@pytest.mark.parametrize("is_sampled", [True, False])
def test_the_parent_of_an_authenticated_client_decides(is_sampled: bool) -> None:
    made = sampler(ratio=0.0 if is_sampled else 1.0)
    assert made.decide(span(7, PARENT, sampled=is_sampled), a_principal()) is is_sampled


def test_what_a_stranger_says_does_not_count() -> None:
    assert not sampler(ratio=0.0).decide(span(7, PARENT, sampled=True), NOBODY)
    assert sampler(ratio=1.0).decide(span(7, PARENT, sampled=False), NOBODY)


def test_clients_with_a_key_are_held_to_a_rate() -> None:
    clock = Clock()
    made = sampler(rate=2.0, clock=clock)

    def sampled() -> int:
        return sum(made.decide(span(7, PARENT, sampled=True), a_principal()) for _ in range(10))

    assert sampled() == 2
    clock.now += 0.5
    assert sampled() == 1
    clock.now += 3600
    assert sampled() == 2


def test_a_stranger_that_chooses_its_trace_id_is_held_to_a_rate() -> None:
    """A trace id of zeros would be below any bound."""
    made = sampler(ratio=0.01, rate=3.0)
    assert sum(made.decide(span(1, PARENT), NOBODY) for _ in range(100)) == 3
    assert made.decide(span(1), NOBODY)  # those of the gate are not


def test_a_rate_of_none_allows_none() -> None:
    clock = Clock()
    allowance = Allowance(clock, 0.0)
    clock.now += 1e6
    assert not allowance.take()


def test_less_than_one_a_second_is_one_now_and_then() -> None:
    clock = Clock()
    allowance = Allowance(clock, 0.1)
    assert [allowance.take(), allowance.take()] == [True, False]
    clock.now += 9.0
    assert not allowance.take()
    clock.now += 1.1
    assert allowance.take()
