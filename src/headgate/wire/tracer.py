"""Spans of requests and of attempts: their ids, and whether they are exported.

No span object is made here.  A request has a ``SpanContext``, which its ``Outcome`` bears; an
exporter makes spans of outcomes later, of those alone that it exports.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from headgate.model import Principal, SpanContext
from headgate.wire.trace_context import continued, parent_lines, passed_on

BLOCK_BYTES: Final = 4096
"""How many random bytes are drawn together: enough for hundreds of ids."""
_SPAN_DIGITS: Final = 16
_TRACE_DIGITS: Final = 32
_NO_ID: Final = b"0" * _SPAN_DIGITS


@mypyc_attr(allow_interpreted_subclasses=True)
class Sampler:
    """Decides whether the gate's spans of a request are exported; the telemetry supplies it."""

    __slots__ = ()

    @abstractmethod
    def decide(self, span: SpanContext, principal: Principal) -> bool:
        """Whether to export them; called once for each request.

        Args:
            span: of the request; its ``parent_id`` is empty where the client has sent no valid
                parent, and ``parent_sampled`` is what the client says: a stranger may say it too.
            principal: who sends the request; ``NOBODY`` where it is not authenticated.
        """


class Tracer:
    """Gives each request and each attempt its place in a trace.

    Args:
        sampler: decides which are exported.
        draw: gives that many random bytes, such as ``os.urandom``.
    """

    __slots__ = ("_at", "_digits", "_draw", "_sampler")

    def __init__(self, sampler: Sampler, draw: Callable[[int], bytes]) -> None:
        self._sampler = sampler
        self._draw = draw
        self._digits = b""
        self._at = 0

    def begin(self, lines: bytes) -> SpanContext:
        """The place of a request, whose ``trace_lines`` are ``lines``."""
        if lines:
            return continued(lines, self._id(_SPAN_DIGITS))
        return SpanContext(self._id(_TRACE_DIGITS), b"", self._id(_SPAN_DIGITS))

    def attempt(self, span: SpanContext) -> None:
        """Begin the span of an attempt."""
        span.attempt_id = self._id(_SPAN_DIGITS)

    def lines(self, span: SpanContext, principal: Principal) -> bytes:
        """The lines that MLflow is sent of the trace, in the attempt that has begun."""
        if not span.decided:
            self.decide(span, principal)
        return parent_lines(span)

    def decide(self, span: SpanContext, principal: Principal) -> None:
        """Decide whether a request is exported, now that it is known who sends it.

        What a client says of its trace is what MLflow is sent, whatever the gate itself exports:
        MLflow's part belongs to the client's trace.  Of a trace that begins here it is sent what
        the gate has decided.
        """
        span.decided = True
        span.sampled = self._sampler.decide(span, principal)
        if not span.flags:
            span.flags = b"01" if span.sampled else b"00"

    def _id(self, digits: int) -> bytes:
        """A random id; none is all zeros, which the W3C keeps for no id (sections 3.2.2.2, 3)."""
        at = self._at
        end = at + digits
        if end > len(self._digits):
            self._digits = self._drawn()
            at, end = 0, digits
        self._at = end
        return self._digits[at:end]

    def _drawn(self) -> bytes:
        """The digits of the next ids, without so many zeros together as an id has."""
        while True:
            digits = self._draw(BLOCK_BYTES).hex().encode("ascii")
            if _NO_ID not in digits:
                return digits


def ended(
    span: SpanContext | None, tracer: Tracer | None, lines: bytes, principal: Principal
) -> SpanContext | None:
    """The place in a trace of a request that has ended, whatever came of it.

    Args:
        span: its place; ``None`` where the gate has no spans.
        tracer: gave it its place.
        lines: its ``trace_lines``.
        principal: who has sent it, ``NOBODY`` where it is not authenticated.
    """
    if span is None:
        return passed_on(lines) if lines else None
    if not span.decided and tracer is not None:
        tracer.decide(span, principal)
    return span
