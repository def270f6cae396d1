"""What waits to be exported: outcomes, of which spans are made later.

This is all that tracing does at the end of a request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from headgate.model import Outcome
from headgate.telemetry.otlp.errors import is_error
from headgate.telemetry.otlp.sampling import Allowance

MOST_OUTCOMES: Final = 2048
"""As many as OpenTelemetry's SDKs keep spans (``OTEL_BSP_MAX_QUEUE_SIZE``)."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""What targets, user agents and other texts of clients may come to in all of them."""


class Ended:
    """A request that has ended, and when.

    Attributes:
        outcome: of the request.
        time: when it ended, in seconds since the epoch.
        sampled: whether the attempts have spans too; if not, it is a failure that nobody samples.
    """

    __slots__ = ("outcome", "sampled", "size", "time")

    def __init__(self, outcome: Outcome, time: float, *, sampled: bool) -> None:
        self.outcome: Final = outcome
        self.time: Final = time
        self.sampled: Final = sampled
        self.size: Final = (
            len(outcome.target)
            + len(outcome.canonical)
            + len(outcome.path)
            + len(outcome.user_agent)
            + len(outcome.detail)
            + len(outcome.message)
        )


class SpanQueue:
    """Takes the outcomes that are to be exported; keeps a bounded number of them.

    Args:
        clock: seconds since the epoch.
        monotonic: seconds from an arbitrary start.
        on_some: called when there is something in an empty queue, and when it is half full.

    ``lost``: how many found no room since ``take_lost``.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        on_some: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._errors = Allowance(monotonic, 0.0)
        self._on_some = on_some
        self._ended: deque[Ended] = deque()
        self._bytes = 0
        self._lost = 0

    def __len__(self) -> int:
        return len(self._ended)

    def configure(self, errors_per_second: float) -> None:
        """Take so many failures that are not sampled."""
        self._errors.change(errors_per_second)

    def put(self, outcome: Outcome) -> None:
        """Take an outcome, if it is to be exported."""
        trace = outcome.trace
        if trace is None or not trace.span_id:
            return
        sampled = trace.sampled
        if not sampled and not (is_error(outcome) and self._errors.take()):
            return
        ended = Ended(outcome, self._clock(), sampled=sampled)
        count = len(self._ended)
        if count >= MOST_OUTCOMES or self._bytes + ended.size > MOST_BYTES:
            self._lost += 1
            return
        self._ended.append(ended)
        self._bytes += ended.size
        if count in (0, MOST_OUTCOMES // 2):
            self._on_some()

    def take(self, most: int) -> list[Ended]:
        """The oldest ones, at most so many; they leave the queue."""
        found = [self._ended.popleft() for _ in range(min(most, len(self._ended)))]
        self._bytes -= sum(each.size for each in found)
        return found

    def take_lost(self) -> int:
        """How many found no room since this was last called."""
        lost, self._lost = self._lost, 0
        return lost
