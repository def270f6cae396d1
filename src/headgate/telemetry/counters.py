"""Counts of what the gate did, in memory that all its worker processes share.

Each worker adds to a row of its own, so nothing is locked and nothing is lost when a worker
dies; whoever reads adds the rows up.  Every combination of labels has its place from the start:
the labels are closed sets, so the number of series is fixed.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from headgate.events import EndCause, Log, LossCause
from headgate.model import FAMILIES, Outcome
from headgate.reasons import Reason

BOUNDS: Final[Sequence[float]] = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    60.0,
)
"""Upper bounds of the duration buckets, seconds; one more has no bound."""

_REASONS: Final = tuple(Reason)
_OK: Final = Reason.OK  # to look a member up in its class costs as much as ten attributes
_FAMILIES: Final = ("", *FAMILIES)  # "": refused before the route was known
_CLASSES: Final = 6  # 0: no response, 1xx to 5xx
_REASON_AT: Final = {reason: at * _CLASSES for at, reason in enumerate(_REASONS)}
_PER_FAMILY: Final = len(_REASONS) * _CLASSES + len(BOUNDS) + 1 + 3
_HISTOGRAM: Final = len(_REASONS) * _CLASSES
_MICROSECONDS: Final = _HISTOGRAM + len(BOUNDS) + 1
_BYTES_IN: Final = _MICROSECONDS + 1
_BYTES_OUT: Final = _MICROSECONDS + 2
_FAMILY_AT: Final = {family: at * _PER_FAMILY for at, family in enumerate(_FAMILIES)}
_GAUGES: Final = ("connections", "in_flight", "draining")
_GAUGES_AT: Final = len(_FAMILIES) * _PER_FAMILY
_HEARTBEAT_AT: Final = _GAUGES_AT + len(_GAUGES)
_LOSSES_AT: Final = _HEARTBEAT_AT + 1
LOGS: Final = tuple(Log)
LOSS_CAUSES: Final = tuple(LossCause)
_ROW: Final = _LOSSES_AT + len(LOGS) * len(LOSS_CAUSES)
RESTART_CAUSES: Final = tuple(EndCause)


class FamilyCounts(NamedTuple):
    """What was counted for one family of routes, over all workers.

    ``requests``: by reason and class of status (2 for 2xx, 0 for no response), without zeros.
    ``buckets``: requests by duration, each bucket by itself, in the order of ``BOUNDS``.
    """

    family: str
    requests: dict[tuple[Reason, int], int]
    buckets: tuple[int, ...]
    seconds: float
    bytes_in: int
    bytes_out: int


class Counters:
    """The counts of all workers of one gate; made before they are forked.

    Args:
        workers: how many there will be.
    """

    def __init__(self, workers: int) -> None:
        # One more row, for the supervisor.
        self._workers = workers
        self._restarts_at = (workers + 1) * _ROW
        self._mishaps_at = self._restarts_at + len(RESTART_CAUSES)
        self._memory = mmap.mmap(-1, (self._mishaps_at + 1) * 8)
        self._cells = memoryview(self._memory).cast("Q")

    def row(self, worker: int) -> CounterRow:
        """Where one worker counts; a worker that replaces another goes on in its row."""
        return CounterRow(
            self._cells[worker * _ROW : (worker + 1) * _ROW],
            self._cells[self._mishaps_at : self._mishaps_at + 1],
        )

    def supervisor_row(self) -> CounterRow:
        """Where the supervisor counts."""
        return self.row(self._workers)

    def gauge(self, name: str) -> int:
        """The sum over the workers of one of ``connections``, ``in_flight``, ``draining``."""
        return self._sum(_GAUGES_AT + _GAUGES.index(name))

    def families(self) -> Iterator[FamilyCounts]:
        """The counts of every family for which anything was counted."""
        for family, start in _FAMILY_AT.items():
            cells = [self._sum(at) for at in range(start, start + _PER_FAMILY)]
            if any(cells):
                yield _family_counts(family, cells)

    def beat(self, worker: int, value: int) -> None:
        """Set a worker's heartbeat: a number that grows; 0 while its event loop does not run."""
        self._cells[worker * _ROW + _HEARTBEAT_AT] = value

    def heartbeat(self, worker: int) -> int:
        """The heartbeat of a worker."""
        return self._cells[worker * _ROW + _HEARTBEAT_AT]

    def count_restart(self, cause: EndCause) -> None:
        """Count a worker that is replaced."""
        self._cells[self._restarts_at + RESTART_CAUSES.index(cause)] += 1

    def restarts(self) -> dict[str, int]:
        """How many workers were replaced, by cause."""
        return {
            cause: self._cells[self._restarts_at + at] for at, cause in enumerate(RESTART_CAUSES)
        }

    def lost_lines(self) -> dict[tuple[str, str], int]:
        """How many lines were lost, by log and cause."""
        return {
            (LOGS[at // len(LOSS_CAUSES)], LOSS_CAUSES[at % len(LOSS_CAUSES)]): self._sum(
                _LOSSES_AT + at
            )
            for at in range(len(LOGS) * len(LOSS_CAUSES))
        }

    def _sum(self, at: int) -> int:
        """The sum over the workers of one cell of their rows."""
        return sum(self._cells[at : self._restarts_at : _ROW])


class CounterRow:
    """The cells of one worker."""

    def __init__(self, cells: memoryview[int], mishaps: memoryview[int]) -> None:
        self._cells = cells
        self._mishaps = mishaps

    def count(self, outcome: Outcome) -> None:
        """Add one request."""
        cells = self._cells
        start = _FAMILY_AT[outcome.family]
        # Hashing an enum's member costs more than all the rest here.
        at = 0 if outcome.reason is _OK else _REASON_AT[outcome.reason]
        cells[start + at + outcome.status // 100] += 1
        duration = outcome.duration
        cells[start + _HISTOGRAM + bisect_left(BOUNDS, duration)] += 1
        cells[start + _MICROSECONDS] += int(duration * 1e6)
        if outcome.bytes_in:
            cells[start + _BYTES_IN] += outcome.bytes_in
        if outcome.bytes_out:
            cells[start + _BYTES_OUT] += outcome.bytes_out

    def lose(self, log: Log, cause: LossCause, lines: int) -> None:
        """Count lines of a log that were lost."""
        at = LOGS.index(log) * len(LOSS_CAUSES) + LOSS_CAUSES.index(cause)
        self._cells[_LOSSES_AT + at] += lines
        # Not added up in order by several processes, but it changes, which is all that counts.
        self._mishaps[0] += 1

    def mishaps(self) -> int:
        """A number that changes whenever any process has lost lines."""
        return self._mishaps[0]

    def set_gauges(self, *, connections: int, in_flight: int, draining: bool) -> None:
        """Say how things stand in this worker."""
        for at, value in enumerate((connections, in_flight, int(draining)), _GAUGES_AT):
            self._cells[at] = value


def _family_counts(family: str, cells: list[int]) -> FamilyCounts:
    requests = {
        (reason, status): cells[at + status]
        for reason, at in _REASON_AT.items()
        for status in range(_CLASSES)
        if cells[at + status]
    }
    return FamilyCounts(
        family,
        requests,
        tuple(cells[_HISTOGRAM:_MICROSECONDS]),
        cells[_MICROSECONDS] / 1e6,
        cells[_BYTES_IN],
        cells[_BYTES_OUT],
    )
