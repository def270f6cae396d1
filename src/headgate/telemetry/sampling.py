"""Which requests have a line in the access log.

What is left out is decided by rules of the configuration.  Errors always have a line.  The lines of
one trace are all kept or all left out, also by other gates with the same rate: the last 8 bytes of
the trace id decide, as in ``TraceIdRatioBased`` of OpenTelemetry.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from headgate.config import HealthChecks, Log
from headgate.model import Operation, Outcome
from headgate.reasons import Reason

HEALTH_CHECKS: Final = frozenset(
    {
        "gate/alive",
        "gate/livez",
        "gate/readyz",
        "gate/health",
        "gate/health-of-api",
        "gate/health-mlflow",
        "gate/health-mlflow-detailed",
        "meta/version",
    }
)
"""The operations that monitoring and load balancers repeat."""
_ALL: Final = 1.0
_NONE: Final = 0.0
_OK: Final = Reason.OK
_TRACE_IDS: Final = 2.0**64


class Sampling:
    """The rules of a configuration.

    Args:
        settings: the rules.
        draw: gives random numbers from 0 to under 1.
    """

    def __init__(self, settings: Log, draw: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._draw = draw
        # By the id of the operation, which stays alive for that, and the class of the status.
        self._rates: dict[tuple[int, int], tuple[float, Operation | None]] = {}
        self._health_checks = _health_check_rates(settings.health_checks)

    @property
    def is_needed(self) -> bool:
        """Whether any request may be left out."""
        return bool(self._settings.sample) or self._health_checks != (_ALL, _ALL)

    def rate(self, outcome: Outcome) -> float:
        """The part of such requests that has a line."""
        operation = outcome.operation
        if outcome.reason is not _OK or outcome.status >= 500:
            if operation is not None and operation.name in HEALTH_CHECKS:
                return self._health_checks[1]
            return _ALL
        key = (id(operation), outcome.status // 100)
        found = self._rates.get(key)
        if found is not None:
            return found[0]
        rate = self._rate(operation, f"{outcome.status // 100}xx")
        self._rates[key] = (rate, operation)
        return rate

    def keeps(self, outcome: Outcome, rate: float) -> bool:
        """Whether this request is in the part that has a line."""
        if rate >= _ALL or rate <= _NONE:
            return rate >= _ALL
        trace = outcome.trace
        if trace is None:
            return self._draw() < rate
        return int(trace.trace_id[16:], 16) < rate * _TRACE_IDS

    def _rate(self, operation: Operation | None, status: str) -> float:
        if operation is not None and operation.name in HEALTH_CHECKS:
            return self._health_checks[0]
        for rule in self._settings.sample:
            if (
                status in rule.status
                and rule.family in ("", "none" if operation is None else operation.family)
                and rule.operation in ("", "" if operation is None else operation.name)
            ):
                return rule.rate
        return _ALL


def _health_check_rates(setting: str) -> tuple[float, float]:
    """The rate of health checks that did not fail, and that of those that did."""
    if setting == HealthChecks.ALL:
        return _ALL, _ALL
    if setting == HealthChecks.ERRORS:
        return _NONE, _ALL
    if setting == HealthChecks.NONE:
        return _NONE, _NONE
    return float(setting), _ALL
