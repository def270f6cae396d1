"""Which requests are traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.model import Principal, SpanContext
from headgate.wire.tracer import Sampler

_ALL: Final = b"g"  # more than all hexadecimal digits
_RANDOM_FROM: Final = 16


def bound_of(ratio: float) -> bytes:
    """What the last 16 digits of a trace id must be less than, so that ``ratio`` of all are.

    As ``TraceIdRatioBased`` of OpenTelemetry's SDKs decides: a trace that is sampled with a ratio
    is sampled with each higher one, by each service that decides so.
    """
    bound = round(ratio * 2**64)
    return _ALL if bound >= 2**64 else b"%016x" % bound


class Allowance:
    """So many a second, and as many at a time as a second allows.

    Args:
        clock: seconds from an arbitrary start.
        rate: how many a second.
    """

    def __init__(self, clock: Callable[[], float], rate: float) -> None:
        self._clock = clock
        self._left = 0.0
        self._last = clock()
        self.change(rate)

    def change(self, rate: float) -> None:
        """Allow so many a second from now on."""
        self._rate = rate
        self._most = max(1.0, rate) if rate else 0.0
        self._left = self._most

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._last) * self._rate)
        self._last = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class TraceSampler(Sampler):
    """Samples by the parent for clients with a valid key, and by a ratio for all others.

    A client chooses its trace id and says whether it records the trace.  So both count only within
    an allowance, and what a stranger says of recording does not count.

    Args:
        clock: seconds from an arbitrary start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._bound: bytes = b""
        self._parents = Allowance(clock, 0.0)
        self._strangers = Allowance(clock, 0.0)

    def configure(self, ratio: float, parents_per_second: float) -> None:
        """Decide so from now on."""
        self._bound = bound_of(ratio)
        self._parents.change(parents_per_second)
        self._strangers.change(parents_per_second)

    def decide(self, span: SpanContext, principal: Principal) -> bool:
        """See ``Sampler``."""
        if not span.parent_id:
            return span.trace_id[_RANDOM_FROM:] < self._bound
        if principal.id:
            return span.parent_sampled and self._parents.take()
        return span.trace_id[_RANDOM_FROM:] < self._bound and self._strangers.take()
