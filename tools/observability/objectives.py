"""What a gate promises, and which requests count for and against it.

From Google's SRE workbook, chapter 5: an objective leaves a budget of errors, and an alert says how
fast it is used up.  Which reasons are whose fault stands in ``headgate.reasons`` alone.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headgate.model import FAMILIES
from headgate.reasons import Fault, Reason

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

AVAILABILITY: Final = 0.999
"""The share of requests that succeed, for the gate and for MLflow apart."""
PERIOD: Final = 30 * DAY
ERROR_BUDGET: Final = round(1 - AVAILABILITY, 9)

ADDED_LATENCY: Final = 0.005
"""Seconds that the gate itself takes for a request to an API of MLflow, at most ..."""
ADDED_LATENCY_QUANTILE: Final = 0.99
"""... for this share of them."""


class Budget(enum.StrEnum):
    """Whose error budget a failed request is taken from; a request failed for one reason."""

    GATE = "gate"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class BurnRate:
    """Budget that is used up so many times faster than the objective allows.

    Attributes:
        factor: how many times faster; 1 uses the budget up in ``PERIOD``.
        long: seconds over which it must be so fast, so that a few failures are not enough.
        short: seconds over which it must be so fast still, so that an alert ends with its cause.
        pages: somebody has to act now; otherwise within days.
    """

    factor: float
    long: int
    short: int
    pages: bool


BURN_RATES: Final[Sequence[BurnRate]] = (
    BurnRate(14.4, HOUR, 5 * MINUTE, pages=True),  # 2 % of the budget in an hour
    BurnRate(6, 6 * HOUR, 30 * MINUTE, pages=True),  # 5 % in six hours
    BurnRate(3, DAY, 2 * HOUR, pages=False),  # 10 % in a day
    BurnRate(1, 3 * DAY, 6 * HOUR, pages=False),  # 10 % in three days
)
"""The table of the SRE workbook, chapter 5 ("Multiwindow, Multi-Burn-Rate Alerts")."""


def reasons_of(fault: Fault) -> tuple[str, ...]:
    """The codes of all reasons with that fault, in the order of their table."""
    return tuple(each.value for each in Reason if each.fault is fault)


GATE_FAULTS: Final = reasons_of(Fault.GATE)
"""Reasons that are taken from the gate's budget."""
MLFLOW_FAULTS: Final = reasons_of(Fault.UPSTREAM)
"""Reasons that are taken from MLflow's budget, besides ``ok`` with a status of 5xx: its own."""
CLIENT_FAULTS: Final = reasons_of(Fault.CLIENT)
"""Reasons that count for nothing: otherwise strangers could hide an outage among their requests."""
ASKED_FOR: Final = tuple(each for each in reasons_of(Fault.NOBODY) if each != Reason.OK.value)
"""Reasons that count for nothing: operators have asked for it."""
GATE_FAMILIES: Final = tuple(name for name, each in FAMILIES.items() if each.gate_pages)
"""Families that count for nothing: health checks would hide an outage likewise."""
