"""The sinks of outcomes: the end of each request is counted, and written to the access log."""

from __future__ import annotations

from headgate.model import Outcome
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import CounterRow


class OutcomeSinks:
    """Accounts for the requests of one worker.

    Args:
        row: where they are counted.
        access_log: where they are written, if anywhere.
    """

    def __init__(self, row: CounterRow, access_log: AccessLog | None) -> None:
        self._row = row
        self._access_log = access_log

    def account(self, outcome: Outcome) -> None:
        """Take note of how a request ended."""
        self._row.count(outcome)
        if self._access_log is not None:
            self._access_log.write(outcome)
