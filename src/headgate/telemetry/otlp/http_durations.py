"""The durations of requests and attempts, by the attributes of OpenTelemetry's conventions.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/.  Exact statuses and endpoints are no
closed sets, so these series have no places of their own among the counters.  Each worker writes
rows of its own in shared memory, one series after the other as they come up, and those that find
no room are counted together, as OpenTelemetry's cardinality limits have it.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headgate.model import Outcome, Source
from headgate.reasons import Reason
from headgate.telemetry.metrics.labels import REQUEST_SECONDS
from headgate.telemetry.otlp.errors import client_error_type, error_type
from headgate.telemetry.otlp.names import METHODS, OTHER_METHOD

MOST_SERIES: Final = 192
"""In each worker, of each of the two metrics."""
KEY_BYTES: Final = 120
BOUNDS: Final[tuple[float, ...]] = REQUEST_SECONDS
"""Seconds: those of the conventions, and longer ones, for artifacts may take an hour."""
_SUM: Final = len(BOUNDS) + 1
_CELLS: Final = len(BOUNDS) + 2  # the buckets, and the sum in microseconds
_SLOT: Final = KEY_BYTES // 8 + _CELLS
_TABLE: Final = (MOST_SERIES + 1) * _SLOT  # the last slot is for what finds no room
_SEPARATOR: Final = "\n"
_NO_METHOD: Final = OTHER_METHOD
_METHODS: Final[dict[bytes, str]] = {each.encode("ascii"): each for each in METHODS}
_MLFLOW: Final = Source.MLFLOW  # to look a member up in its class costs as much as ten attributes
_OK: Final = Reason.OK

Key = tuple[str, ...]
_Given = tuple[bytes, int, str, str, str]


@dataclass(frozen=True, slots=True)
class DurationSeries:
    """One series.

    Attributes:
        key: its attributes in their order; ``None`` for all that found no room.
        buckets: how many durations each bucket has.
        total: of all durations, in seconds.
    """

    key: Key | None
    buckets: tuple[int, ...]
    total: float


class DurationTable:
    """The series of one metric in one worker; only that worker writes to it."""

    def __init__(self, cells: memoryview[int]) -> None:
        self._cells = cells
        self._bytes = cells.cast("B")
        # To read shared memory costs as much as all else here; nobody else writes to it.
        self._numbers: list[int] = cells.tolist()
        self._slots: dict[_Given, int] = {}
        self._known: dict[Key, int] = dict(self._written())

    def observe(self, given: _Given, key: Key | None, seconds: float) -> None:
        """Count one duration.

        Args:
            given: what the key is made of: it is looked up by that.
            key: the attributes; ``None``: they are known, as ``knows`` says.
            seconds: the duration.
        """
        at = self._slots.get(given, -1)
        if at < 0:
            at = self._place(key or ())
            if len(self._slots) < 4 * MOST_SERIES:
                self._slots[given] = at
        cells, numbers = self._cells, self._numbers
        bucket, total = at + bisect_left(BOUNDS, seconds), at + _SUM
        cells[bucket] = numbers[bucket] = numbers[bucket] + 1
        cells[total] = numbers[total] = numbers[total] + int(seconds * 1e6)

    def knows(self, given: _Given) -> bool:
        """Whether the attributes of what has this are known."""
        return given in self._slots

    def _place(self, key: Key) -> int:
        """The first cell of a series, which is made if there is room."""
        found = self._known.get(key, -1)
        if found >= 0:
            return found
        text = _SEPARATOR.join(key).encode("utf-8")
        number = len(self._known)
        if number >= MOST_SERIES or len(text) > KEY_BYTES - 1 or not text:
            return MOST_SERIES * _SLOT + KEY_BYTES // 8
        start = number * _SLOT * 8
        self._bytes[start + 1 : start + 1 + len(text)] = text
        self._bytes[start] = len(text)  # last: from now on readers see it
        at = number * _SLOT + KEY_BYTES // 8
        self._known[key] = at
        return at

    def _written(self) -> list[tuple[Key, int]]:
        found: list[tuple[Key, int]] = []
        for number in range(MOST_SERIES):
            start = number * _SLOT * 8
            length = self._bytes[start]
            if not length:
                break
            text = bytes(self._bytes[start + 1 : start + 1 + length]).decode("utf-8")
            found.append((tuple(text.split(_SEPARATOR)), number * _SLOT + KEY_BYTES // 8))
        return found

    def read(self) -> list[tuple[Key | None, list[int]]]:
        """Every series, with its cells."""
        rest = MOST_SERIES * _SLOT + KEY_BYTES // 8
        places: list[tuple[Key | None, int]] = [*self._written(), (None, rest)]
        return [(key, self._cells[at : at + _CELLS].tolist()) for key, at in places]


class HttpDurationRow:
    """Where one worker counts: a sink of outcomes."""

    def __init__(self, server: DurationTable, client: DurationTable) -> None:
        self._server = server
        self._client = client

    def count(self, outcome: Outcome) -> None:
        """Add one request and its attempts."""
        method = outcome.method
        if method not in _METHODS:
            method = b""
        reason = "" if outcome.reason is _OK else outcome.reason.value
        given = (method, outcome.status, outcome.family, reason, "")
        key = None if self._server.knows(given) else _server_key(outcome)
        self._server.observe(given, key, outcome.duration)
        if outcome.upstream and outcome.endpoint:
            self._count_attempts(outcome, method, reason)

    def _count_attempts(self, outcome: Outcome, method: bytes, reason: str) -> None:
        for failed in outcome.retries:
            error = failed.failure.value
            given = (method, 0, failed.endpoint, error, outcome.upstream)
            key = _client_key(outcome, failed.endpoint, 0, error)
            self._client.observe(given, key, max(0.0, failed.ended - failed.began))
        if outcome.attempts <= len(outcome.retries):
            return
        status = outcome.status if outcome.source is _MLFLOW else 0
        given = (method, status, outcome.endpoint, reason, outcome.upstream)
        last: Key | None = None
        if not self._client.knows(given):
            last = _client_key(outcome, outcome.endpoint, status, client_error_type(outcome))
        self._client.observe(given, last, outcome.upstream_duration)


class HttpDurations:
    """The durations of all workers of one gate; made before the workers are forked.

    Args:
        workers: how many there will be.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        cells = memoryview(mmap.mmap(-1, max(1, workers) * 2 * _TABLE * 8)).cast("q")
        self._tables = [cells[at * _TABLE : (at + 1) * _TABLE] for at in range(workers * 2)]

    def row(self, worker: int) -> HttpDurationRow:
        """Where one worker counts; a worker that replaces another goes on in its row."""
        server, client = self._tables[2 * worker : 2 * worker + 2]
        return HttpDurationRow(DurationTable(server), DurationTable(client))

    def of_server(self) -> list[DurationSeries]:
        """The durations of requests: method, status (0: none), family, error."""
        return _merged(self._tables[0::2])

    def of_client(self) -> list[DurationSeries]:
        """The durations of attempts: method, status (0: none), upstream, address, port, error."""
        return _merged(self._tables[1::2])


def _merged(tables: Sequence[memoryview[int]]) -> list[DurationSeries]:
    found: dict[Key | None, list[int]] = {}
    for table in tables:
        for key, cells in DurationTable(table).read():
            before = found.get(key)
            if before is None:
                found[key] = cells
            else:
                found[key] = [one + other for one, other in zip(before, cells, strict=True)]
    return [
        DurationSeries(key, tuple(cells[:_SUM]), cells[_SUM] * 1e-6)
        for key, cells in found.items()
        if any(cells)
    ]


def _method(outcome: Outcome) -> str:
    return _METHODS.get(outcome.method, _NO_METHOD)


def _server_key(outcome: Outcome) -> Key:
    return (
        _method(outcome),
        str(outcome.status),
        outcome.family or "none",
        error_type(outcome),
    )


def _client_key(outcome: Outcome, endpoint: str, status: int, error: str) -> Key:
    address, _, port = endpoint.rpartition(":")
    return (_method(outcome), str(status), outcome.upstream, address.strip("[]"), port, error)
