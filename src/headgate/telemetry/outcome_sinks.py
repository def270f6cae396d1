"""The sinks of outcomes: the end of each request is counted, and written to the access log.

An outcome is an event that is hot.  So it does not go through the bus: the two sinks that every
gate has are called directly, and others cost nothing while there are none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from headgate.events import Emit, InternalError
from headgate.model import Outcome
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import CounterRow

REPORT_SECONDS: Final = 60.0
"""The shortest time between two reports of one sink that fails."""


class OutcomeSinks:
    """Hands the outcome of each request of one worker to every sink.

    A sink that fails is reported as an event, and ends no request.

    Args:
        row: where requests are counted.
        access_log: where they are written, if anywhere.
        emit: takes the events.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        row: CounterRow,
        access_log: AccessLog | None,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._row = row
        self._access_log = access_log
        self._emit = emit
        self._clock = clock
        self._others: dict[str, Callable[[Outcome], None]] = {}
        self._reported: dict[str, float] = {}

    def subscribe(self, name: str, sink: Callable[[Outcome], None]) -> None:
        """Let ``sink`` have every outcome from now on; ``name`` is for the report of a failure."""
        self._others[name] = sink

    def unsubscribe(self, name: str) -> None:
        """Let the sink of this name have no more outcomes."""
        self._others.pop(name, None)

    def account(self, outcome: Outcome) -> None:
        """Hand on the outcome of a request."""
        try:
            self._row.count(outcome)
        except Exception as error:  # noqa: BLE001 - supervisor: no sink may end a request
            self._report("counters", error)
        access_log = self._access_log
        if access_log is not None:
            try:
                access_log.write(outcome)
            except Exception as error:  # noqa: BLE001 - supervisor: no sink may end a request
                self._report("access log", error)
        if self._others:
            self._account_others(outcome)

    def _account_others(self, outcome: Outcome) -> None:
        for name, sink in tuple(self._others.items()):
            try:
                sink(outcome)
            except Exception as error:  # noqa: BLE001 - supervisor: no sink may end a request
                self._report(name, error)

    def _report(self, name: str, error: Exception) -> None:
        now = self._clock()
        if now - self._reported.get(name, -math.inf) >= REPORT_SECONDS:
            self._reported[name] = now
            self._emit(InternalError(f"handing outcomes to the {name}", error))
