"""Which ids a tracer gives, and when it decides what is exported."""

from __future__ import annotations

import os

from headgate.model import NOBODY, AuthMethod, Principal, SpanContext
from headgate.wire.tracer import BLOCK_BYTES, Sampler, Tracer

SENDER = Principal("p_00000001", "ci", AuthMethod.KEY)
TRACE, PARENT = b"4bf92f3577b34da6" * 2, b"00f067aa0ba902b7"


def client(flags: bytes = b"01") -> bytes:
    return b"traceparent: 00-%b-%b-%b\r\ntracestate: a=1\r\n" % (TRACE, PARENT, flags)


def attempt(tracer: Tracer, span: SpanContext) -> bytes:
    """The lines that MLflow is sent in another attempt."""
    tracer.attempt(span)
    return tracer.lines(span, SENDER)


class Scripted(Sampler):
    """Decides as the test says, and remembers what it was asked."""

    def __init__(self, decision: bool) -> None:
        self.decision = decision
        self.asked: list[tuple[bytes, bool, str]] = []

    def decide(self, span: SpanContext, principal: Principal) -> bool:
        self.asked.append((span.parent_id, span.parent_sampled, principal.id))
        return self.decision


def test_a_client_s_trace_goes_on_with_its_own_flag() -> None:
    sampler = Scripted(decision=False)
    tracer = Tracer(sampler, os.urandom)
    span = tracer.begin(client())
    sent = attempt(tracer, span)
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert sent == b"traceparent: 00-%b-%b-01\r\ntracestate: a=1\r\n" % (TRACE, span.attempt_id)
    assert not span.sampled
    assert sampler.asked == [(PARENT, True, SENDER.id)]


def test_a_trace_that_begins_here_has_the_flag_of_the_decision() -> None:
    for decision, flag in ((True, b"01"), (False, b"00")):
        tracer = Tracer(Scripted(decision), os.urandom)
        span = tracer.begin(b"")
        sent = attempt(tracer, span)
        assert sent == b"traceparent: 00-%b-%b-%b\r\n" % (span.trace_id, span.attempt_id, flag)
        assert (span.parent_id, span.sampled) == (b"", decision)


def test_it_is_decided_once_and_each_attempt_has_a_span() -> None:
    sampler = Scripted(decision=True)
    tracer = Tracer(sampler, os.urandom)
    span = tracer.begin(client(b"00"))
    attempt(tracer, span)
    first = span.attempt_id
    attempt(tracer, span)
    assert len({span.span_id, first, span.attempt_id}) == 3
    assert sampler.asked == [(PARENT, False, SENDER.id)]


def test_a_request_without_attempts_is_decided_on_by_its_sender() -> None:
    sampler = Scripted(decision=True)
    tracer = Tracer(sampler, os.urandom)
    span = tracer.begin(client())
    assert not span.decided
    tracer.decide(span, NOBODY)
    assert (span.decided, span.sampled, span.attempt_id) == (True, True, b"")
    assert sampler.asked == [(PARENT, True, "")]


def test_ids_are_unique_and_drawn_in_blocks() -> None:
    draws: list[int] = []

    def draw(count: int) -> bytes:
        draws.append(count)
        return os.urandom(count)

    tracer = Tracer(Scripted(decision=False), draw)
    spans = [tracer.begin(b"") for _ in range(1000)]
    assert len({span.trace_id for span in spans} | {span.span_id for span in spans}) == 2000
    assert {len(span.trace_id) for span in spans} == {32}
    assert {len(span.span_id) for span in spans} == {16}
    assert set(draws) == {BLOCK_BYTES}
    assert len(draws) <= 1000 * 24 // BLOCK_BYTES + 2


def test_no_id_is_all_zeros() -> None:
    """The W3C has them for ids that are none (sections 3.2.2.2 and 3.2.2.3)."""
    blocks = [bytes(BLOCK_BYTES), b"\x01" * BLOCK_BYTES]
    tracer = Tracer(Scripted(decision=False), lambda _: blocks.pop(0))
    assert tracer.begin(b"").trace_id == b"01" * 16
