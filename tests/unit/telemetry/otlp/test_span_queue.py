"""What waits to be exported is bounded, by number and by bytes."""

from __future__ import annotations

from headgate.model import SpanContext
from headgate.reasons import Reason
from headgate.telemetry.otlp.span_queue import MOST_BYTES, MOST_OUTCOMES, SpanQueue
from tests.support.outcomes import an_outcome


def place(*, sampled: bool = True) -> SpanContext:
    return SpanContext(b"1" * 32, b"", b"2" * 16, sampled=sampled)


def queue(errors: float = 2.0) -> tuple[SpanQueue, list[int]]:
    notices: list[int] = []
    made = SpanQueue(lambda: 1000.0, lambda: 5.0, lambda: notices.append(len(made)))
    made.configure(errors)
    return made, notices


def test_what_is_sampled_is_taken_in_order() -> None:
    made, notices = queue()
    for status in (200, 201, 202):
        made.put(an_outcome(status=status, trace=place()))
    assert [each.outcome.status for each in made.take(2)] == [200, 201]
    assert [each.outcome.status for each in made.take(2)] == [202]
    assert made.take(2) == []
    assert notices == [1]


def test_what_is_not_traced_is_left() -> None:
    made, notices = queue()
    made.put(an_outcome())
    made.put(an_outcome(trace=SpanContext(b"1" * 32, b"3" * 16)))  # passed on alone
    made.put(an_outcome(trace=place(sampled=False)))
    made.put(an_outcome(trace=place(sampled=False), reason=Reason.KEY_UNKNOWN, status=401))
    assert (len(made), notices) == (0, [])


def test_failures_are_taken_up_to_a_rate() -> None:
    made, _ = queue(errors=2.0)
    for _ in range(5):
        made.put(an_outcome(trace=place(sampled=False), status=500))
    made.put(an_outcome(trace=place(sampled=False), reason=Reason.UPSTREAM_RESET, status=502))
    assert [each.sampled for each in made.take(9)] == [False, False]
    assert made.take_lost() == 0


def test_too_many_are_lost_and_counted() -> None:
    made, notices = queue()
    for _ in range(MOST_OUTCOMES + 7):
        made.put(an_outcome(trace=place()))
    assert len(made) == MOST_OUTCOMES
    assert made.take_lost() == 7
    assert made.take_lost() == 0
    assert notices == [1, MOST_OUTCOMES // 2 + 1]


def test_too_long_texts_are_lost_and_counted() -> None:
    made, _ = queue()
    for _ in range(200):
        made.put(an_outcome(trace=place(), target=b"/" * 60_000))
    held = sum(each.size for each in made.take(MOST_OUTCOMES))
    assert held <= MOST_BYTES
    assert made.take_lost() == 200 - held // 60_000
    made.put(an_outcome(trace=place(), target=b"/" * 60_000))
    assert len(made) == 1  # there is room again
