"""Which series ``headgate_requests_total`` has: few, whatever clients send.

Every combination of family, method, status and reason would be 17,000 series.  So:

1. What MLflow responded to, or the gate's own pages (reason ``ok``), is counted by family, method
   and status: 38 pairs of family and method with four classes of status.
2. What was refused to a sender who was identified is counted likewise, with its reason, until
   ``MOST_REFUSED`` of such series exist, or the places of 1 and 2 are taken.
3. Everything else is counted by its reason alone, without family and method, under the class of
   status that the reason stands for: what was refused before its sender was known, so that
   strangers cannot fill the places; what has no known route; and what found no place in 1 or 2.

The places are claimed in shared memory as they are needed (``claims.py``), and kept: a series never
moves, so no counter goes down (docs/adr/0190-bounded-series-of-requests.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.reasons import Reason
from headgate.telemetry.claims import Claims
from headgate.telemetry.metrics import FAMILY, METHOD, REASON, REQUESTS, STATUS

_OK_AT: Final = REASON.values.index(Reason.OK)
_STATUSES: Final = len(STATUS.values)
_STATUS_OF: Final = [each.status // 100 for each in Reason]
RESERVED: Final = len(REASON.values) - 1 + _STATUSES
"""Places of rule 3: one for each reason, and for ``ok`` one for each class of status."""
MOST_REFUSED: Final = 56
"""Places of rule 2."""


class RequestSeries:
    """The places of the series; made before the workers are forked."""

    def __init__(self) -> None:
        self._claims = Claims(REQUESTS.most, len(REQUESTS.labels))

    def place(self, family: int, method: int, status: int, reason: int) -> int:
        """The place of a series, by where its values are among those of its labels.

        Family 0 stands for what is counted by its reason alone.

        Raises:
            ValueError: fewer places are reserved than there are reasons.
        """
        if family:
            found = self._find(family, method, status, reason)
            if found is not None:
                return found
        if reason != _OK_AT:
            status = _STATUS_OF[reason]
        place = self._find(0, 0, status, reason)
        if place is None:
            raise ValueError("the places that are reserved do not suffice")
        return place

    def labels(self) -> list[tuple[str, ...]]:
        """The labels of every series that has a place, in the order of places."""
        return [_labels(record) for record in self._claims.records()]

    def _find(self, *values: int) -> int | None:
        found = self._claims.find(_record(values))
        return self._claim(*values) if found is None else found

    def _claim(self, *values: int) -> int | None:
        family, _, _, reason = values

        def fits(taken: Sequence[bytes]) -> bool:
            if not family:
                return True
            named = [each for each in taken if each[0] != 1]
            refused = sum(each[3] != _OK_AT + 1 for each in named)
            return len(named) < REQUESTS.most - RESERVED and (
                reason == _OK_AT or refused < MOST_REFUSED
            )

        return self._claims.claim(_record(values), fits)


def _record(values: Sequence[int]) -> bytes:
    return bytes(value + 1 for value in values)  # no record may end in a zero byte


def _labels(record: bytes) -> tuple[str, ...]:
    labels = FAMILY, METHOD, STATUS, REASON
    return tuple(label.values[at - 1] for label, at in zip(labels, record, strict=True))
