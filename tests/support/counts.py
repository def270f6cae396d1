"""What was counted, as tests ask for it."""

from __future__ import annotations

from typing import NamedTuple

from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import (
    LOG_LINES_LOST,
    NONE,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUESTS,
    RESPONSE_BYTES,
    STATUS,
)


class FamilyCounts(NamedTuple):
    """What was counted for one family of routes.

    ``requests``: by reason and class of status (2 for 2xx, 0 for no response), without zeros.
    ``buckets``: requests by duration, each bucket by itself.
    """

    family: str
    requests: dict[tuple[str, int], int]
    buckets: tuple[int, ...]
    seconds: float
    bytes_in: int
    bytes_out: int


def counted(counters: Counters) -> dict[str, FamilyCounts]:
    """By the family's name in outcomes: empty for requests without one."""
    totals = counters.totals()
    requests: dict[str, dict[tuple[str, int], int]] = {}
    for (family, _, status, reason), (number,) in totals.series(REQUESTS):
        of_family = requests.setdefault(family, {})
        key = reason, STATUS.values.index(status)
        of_family[key] = of_family.get(key, 0) + number
    found = {}
    for (family,), (*buckets, microseconds) in totals.series(REQUEST_DURATION):
        name = "" if family == NONE else family
        found[name] = FamilyCounts(
            name,
            requests[family],
            tuple(buckets),
            microseconds * REQUEST_DURATION.scale,
            totals.value(REQUEST_BYTES, family),
            totals.value(RESPONSE_BYTES, family),
        )
    return found


def lost_lines(counters: Counters) -> dict[tuple[str, ...], int]:
    """Lost lines by log and cause."""
    return {each.labels: each.cells[0] for each in counters.totals().series(LOG_LINES_LOST)}
