"""The sums that requests add to: those of one family and one upstream side by side.

They lie behind the cells of a row and not among the series that they belong to, so that one call
writes all that a request adds.  A reader adds them to their series.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    AUTHENTICATIONS,
    FAMILY,
    FIRST_BYTE,
    GATE_DURATION,
    NONE,
    REQUEST_BYTES,
    REQUEST_DURATION,
    RESPONSE_BYTES,
    UPSTREAM,
    UPSTREAM_DURATION,
    Metric,
)
from headgate.telemetry.metrics.identity import ACCEPTED
from headgate.telemetry.metrics.labels import traffic_of

SUMS: Final = 8
"""Of ``REQUEST_DURATION``, ``FIRST_BYTE``, ``GATE_DURATION``, ``UPSTREAM_DURATION``,
``REQUEST_BYTES``, ``RESPONSE_BYTES``, and ``AUTHENTICATIONS`` that accepted a key and a token."""

_PLACES: Final = len(UPSTREAM.values) + 1  # one more for what leads to no upstream
SIZE: Final = len(FAMILY.values) * _PLACES * SUMS
"""How many cells they take."""


def sums_at(family: int, upstream: int) -> int:
    """The first of the cells in a row.

    Args:
        family: where the family is among those of its label.
        upstream: the place of the upstream; -1: none.
    """
    return LAYOUT.size + (family * _PLACES + upstream + 1) * SUMS


def add_sums(row: Sequence[int], cells: list[int]) -> None:
    """Add the sums in a whole row to the cells of the series that they belong to."""
    for start, targets in _TARGETS:
        if any(row[start : start + SUMS]):
            for at, target in enumerate(targets):
                if target >= 0:
                    cells[target] += row[start + at]


def _targets() -> Iterator[tuple[int, tuple[int, ...]]]:
    for at, family in enumerate(FAMILY.values):
        for place in range(-1, _PLACES - 1):
            yield sums_at(at, place), _series_of(family, place)


def _series_of(family: str, place: int) -> tuple[int, ...]:
    """The cells of the series; -1 where there is none."""
    own = (family,)
    traffic = traffic_of(family)
    to_upstream = place >= 0 and traffic in UPSTREAM_DURATION.labels[1].values
    upstream = (UPSTREAM.values[place], traffic)
    return (
        _sum_of(REQUEST_DURATION, own),
        _sum_of(FIRST_BYTE, own) if family != NONE else -1,
        _sum_of(GATE_DURATION, (traffic,)) if to_upstream else -1,
        _sum_of(UPSTREAM_DURATION, upstream) if to_upstream else -1,
        LAYOUT.at(REQUEST_BYTES, own),
        LAYOUT.at(RESPONSE_BYTES, own),
        LAYOUT.at(AUTHENTICATIONS, ("key", ACCEPTED)),
        LAYOUT.at(AUTHENTICATIONS, ("token", ACCEPTED)),
    )


def _sum_of(metric: Metric, values: Sequence[str]) -> int:
    return LAYOUT.at(metric, values) + len(metric.bounds) + 1


_TARGETS: Final = tuple(_targets())
