"""Counts requests: the one part of the metrics that each request goes through.

A write to shared memory costs as much as ten attributes, and reading it half of that.  So each
cell has a copy in the process, which alone writes it; and the sums that a request adds to are
written by one call, for which those of a family and an upstream lie side by side
(``request_sums.py``).  What a killed process had counted is all in shared memory: the next one
begins with it (docs/adr/0191-counters-of-requests-have-copies.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from headgate.model import FAMILIES, NOBODY, AuthMethod, Outcome
from headgate.reasons import Reason
from headgate.telemetry.client_version import client_version
from headgate.telemetry.exemplars import Exemplars
from headgate.telemetry.layout import LAYOUT
from headgate.telemetry.metrics import (
    AUTHENTICATIONS,
    CLIENT_REQUESTS,
    FAMILY,
    FIRST_BYTE,
    GATE_DURATION,
    NONE,
    OTHER,
    RELEASES,
    REQUEST_DURATION,
    REQUESTS,
    TRAFFIC,
    UPSTREAM_DURATION,
    Metric,
)
from headgate.telemetry.metrics.identity import REFUSED_AUTHENTICATIONS
from headgate.telemetry.metrics.labels import traffic_of
from headgate.telemetry.request_series import RequestSeries
from headgate.telemetry.request_sums import SUMS, sums_at

_OK: Final = Reason.OK  # to look a member up in its class costs as much as ten attributes
_KEY: Final = AuthMethod.KEY
_TOKEN: Final = AuthMethod.TOKEN
_REASON_AT: Final[dict[Reason, int]] = {reason: at for at, reason in enumerate(Reason)}
_OK_AT: Final[int] = _REASON_AT[Reason.OK]
_BOUNDS: Final[list[float]] = [*REQUEST_DURATION.bounds, math.inf]
_GATE_BOUNDS: Final[list[float]] = [*GATE_DURATION.bounds, math.inf]
_UPSTREAM_BOUNDS: Final[list[float]] = [*UPSTREAM_DURATION.bounds, math.inf]
_STATUSES: Final[int] = 6
_PACK: Final = Struct(f"@{SUMS}q").pack_into
_MOST_AGENTS: Final = 256


def _bucket(bounds: list[float], value: float) -> int:
    """The bucket of a value, whose bound belongs to it; compiled, this is faster than bisecting."""
    at = 0
    while bounds[at] < value:
        at += 1
    return at


class Cell:
    """One number in shared memory, and what this process has written there last.

    ``at`` is an object for the compiler: a number would be made into one for each write.
    """

    __slots__ = ("at", "number")

    def __init__(self, at: int, number: int) -> None:
        self.at: Final[Any] = at
        self.number = number


class _Block:
    """What a request of one family to one upstream counts.

    Attributes:
        sums_at: the first byte of its sums: the attributes that end in ``_sum``, and how many
            requests were authenticated ``by_key`` and ``by_token``.
        ok: the cells of requests without a fault, by method and class of status.
        refused: the cells of others, by reason, method and class of status.
        duration: the buckets; ``first_byte``, ``gate``, ``upstream`` likewise.
    """

    __slots__ = (
        "by_key",
        "by_token",
        "duration",
        "duration_sum",
        "family",
        "family_at",
        "first_byte",
        "first_byte_sum",
        "gate",
        "gate_sum",
        "ok",
        "received_sum",
        "refused",
        "sent_sum",
        "sums_at",
        "upstream",
        "upstream_name",
        "upstream_sum",
    )

    def __init__(
        self,
        family: str,
        upstream_name: str,
        family_at: int,
        ok: list[Cell | None],
        duration: list[Cell],
        first_byte: list[Cell],
        gate: list[Cell],
        upstream: list[Cell],
        sums_at: int,
        sums: list[int],
    ) -> None:
        self.family: Final = family
        self.upstream_name: Final = upstream_name
        self.family_at: Final = family_at
        self.ok: Final = ok
        self.refused: Final[dict[int, Cell]] = {}
        self.duration: Final = duration
        self.first_byte: Final = first_byte
        self.gate: Final = gate
        self.upstream: Final = upstream
        self.sums_at: Final = sums_at
        (
            self.duration_sum,
            self.first_byte_sum,
            self.gate_sum,
            self.upstream_sum,
            self.received_sum,
            self.sent_sum,
            self.by_key,
            self.by_token,
        ) = sums


class RequestCounter:
    """Counts the requests of one process, which has no other such counter.

    Args:
        cells: the row of this process.
        memory: the same as bytes.
        series: the places of the series of requests.
        place: the place of an upstream by its name.
        exemplars: where the traces of requests are kept.
    """

    def __init__(
        self,
        cells: memoryview[int],
        memory: memoryview[int],
        series: RequestSeries,
        place: Callable[[str], int],
        exemplars: Exemplars,
    ) -> None:
        self._cells: Final = cells
        self._memory: Final = memory
        self._series: Final = series
        self._place: Final = place
        self._exemplars: Final = exemplars
        self._made: Final[dict[int, Cell]] = {}
        self._ok: Final[dict[str, list[Cell | None]]] = {}
        self._blocks: Final[dict[str, dict[str, _Block]]] = {}
        self._clients: Final[dict[bytes, Cell]] = {}
        self._last: _Block | None = None
        self._authentications: Final = {
            reason: self._cell(LAYOUT.at(AUTHENTICATIONS, end))
            for reason, end in REFUSED_AUTHENTICATIONS.items()
        }

    def count(self, outcome: Outcome) -> None:
        """Add one request."""
        reason = outcome.reason
        operation = outcome.operation
        # Strangers can send what they want: what they are refused is not told apart by family.
        if operation is not None and (reason is _OK or outcome.principal is not NOBODY):
            block = self._block(operation.family, outcome.upstream)
        else:
            block = self._block(NONE, outcome.upstream)
        self._count_series(block, outcome.method, outcome.status // 100, reason)
        self._count_durations(block, outcome)
        block.received_sum += outcome.bytes_in
        block.sent_sum += outcome.bytes_out
        method = outcome.principal.method
        if method is _KEY:
            block.by_key += 1
        elif method is _TOKEN:
            block.by_token += 1
        _PACK(
            self._memory,
            block.sums_at,
            block.duration_sum,
            block.first_byte_sum,
            block.gate_sum,
            block.upstream_sum,
            block.received_sum,
            block.sent_sum,
            block.by_key,
            block.by_token,
        )
        client = self._clients.get(outcome.user_agent)
        self._add(client if client is not None else self._client(outcome.user_agent))
        trace = outcome.trace
        if trace is not None and trace.sampled:
            self._exemplars.keep(block.family_at, trace, outcome)

    def _add(self, cell: Cell) -> None:
        cell.number += 1
        self._cells[cell.at] = cell.number

    def _count_series(self, block: _Block, method: bytes, status: int, reason: Reason) -> None:
        status = min(status, 5)  # RFC 9110 section 15: one of no class counts as 5xx
        kind = 2
        if method == b"GET" or method == b"HEAD" or method == b"OPTIONS":  # noqa: PLR1714 - faster
            kind = 1
        elif not method:
            kind = 0
        if reason is _OK:
            cell = block.ok[kind * _STATUSES + status]
            if cell is None:
                cell = self._cell_of(block, kind, status, _OK_AT)
                block.ok[kind * _STATUSES + status] = cell
            self._add(cell)
        else:
            at = _REASON_AT[reason]
            key = (at * 3 + kind) * _STATUSES + status
            cell = block.refused.get(key)
            if cell is None:
                cell = block.refused[key] = self._cell_of(block, kind, status, at)
            self._add(cell)
            end = self._authentications.get(reason)
            if end is not None:
                self._add(end)

    def _cell_of(self, block: _Block, kind: int, status: int, reason: int) -> Cell:
        place = self._series.place(block.family_at, kind, status, reason)
        return self._cell(LAYOUT.start(REQUESTS) + place)

    def _count_durations(self, block: _Block, outcome: Outcome) -> None:
        duration = outcome.duration
        at = _bucket(_BOUNDS, duration)
        self._add(block.duration[at])
        block.duration_sum += int(duration * 1e6)
        first_byte = outcome.first_byte_after
        if outcome.hold_duration:
            first_byte = max(0.0, first_byte - outcome.hold_duration)  # a park is asked for
        if first_byte and block.first_byte:
            if at and first_byte <= _BOUNDS[at - 1]:  # mostly the same bucket
                at = _bucket(_BOUNDS, first_byte)
            self._add(block.first_byte[at])
            block.first_byte_sum += int(first_byte * 1e6)
        if not block.upstream:
            return
        if outcome.sent_after:
            gate = outcome.gate_duration
            self._add(block.gate[_bucket(_GATE_BOUNDS, gate)])
            block.gate_sum += int(gate * 1e6)
        upstream = outcome.upstream_duration
        if upstream:
            self._add(block.upstream[_bucket(_UPSTREAM_BOUNDS, upstream)])
            block.upstream_sum += int(upstream * 1e6)

    # --- what is looked up once -------------------------------------------------------------

    def _block(self, family: str, upstream: str) -> _Block:
        last = self._last
        if last is not None and family is last.family and upstream is last.upstream_name:
            return last
        blocks = self._blocks.get(upstream)
        block = None if blocks is None else blocks.get(family)
        if block is None:
            block = self._new_block(family, upstream)
        self._last = block
        return block

    def _new_block(self, family: str, upstream: str) -> _Block:
        family_at = FAMILY.values.index(family)
        traffic = traffic_of(family)
        to_upstream = bool(upstream) and traffic in TRAFFIC.values
        place = self._place(upstream) if to_upstream else -1
        at = sums_at(family_at, place)
        block = _Block(
            family,
            upstream,
            family_at,
            self._ok.setdefault(family, [None] * (3 * _STATUSES)),
            self._buckets(REQUEST_DURATION, LAYOUT.at(REQUEST_DURATION, (family,))),
            self._buckets(FIRST_BYTE, LAYOUT.at(FIRST_BYTE, (family,)))
            if family in FAMILIES
            else [],
            self._buckets(GATE_DURATION, LAYOUT.at(GATE_DURATION, (traffic,)))
            if to_upstream
            else [],
            self._upstream_buckets(place, traffic) if to_upstream else [],
            at * 8,
            [self._cells[at + each] for each in range(SUMS)],
        )
        self._blocks.setdefault(upstream, {})[family] = block
        return block

    def _upstream_buckets(self, place: int, traffic: str) -> list[Cell]:
        values = UPSTREAM_DURATION.labels[0].values[place], traffic
        return self._buckets(UPSTREAM_DURATION, LAYOUT.at(UPSTREAM_DURATION, values))

    def _buckets(self, metric: Metric, start: int) -> list[Cell]:
        return [self._cell(start + at) for at in range(len(metric.bounds) + 1)]

    def _cell(self, at: int) -> Cell:
        """The one copy that a cell has in this process."""
        cell = self._made.get(at)
        if cell is None:
            cell = self._made[at] = Cell(at, self._cells[at])
        return cell

    def _client(self, user_agent: bytes) -> Cell:
        version = client_version(user_agent)
        client = NONE
        if version:
            release = ".".join(version.split(".")[:2])
            client = release if release in RELEASES else OTHER
        cell = self._cell(LAYOUT.at(CLIENT_REQUESTS, (client,)))
        if len(self._clients) >= _MOST_AGENTS:
            self._clients.clear()
        self._clients[user_agent] = cell
        return cell
