"""Exemplars: for each bucket of the durations of requests, a trace that was counted there last.

They lie in memory that all processes share, one record for each family and bucket, and are written
only for requests whose trace is exported.  Several processes may write one record at the same time,
or die while they do; so each has a checksum, and one that does not fit is no exemplar.
"""

from __future__ import annotations

import mmap
import struct
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple
from zlib import crc32

from headgate.model import Outcome, SpanContext
from headgate.telemetry.metrics import FAMILY, FIRST_BYTE, REQUEST_DURATION, Metric

_BOUNDS: Final = REQUEST_DURATION.bounds
_BUCKETS: Final = len(_BOUNDS) + 1
_CONTENT: Final = struct.Struct("=16s8sdd")
_CHECKSUM: Final = 4
_SIZE: Final = _CONTENT.size + _CHECKSUM
_METRICS: Final = (REQUEST_DURATION.name, FIRST_BYTE.name)


class Exemplar(NamedTuple):
    """One observed value and its trace.

    ``trace_id``, ``span_id``: hexadecimal digits.  ``value``: seconds.  ``time``: when it was
    observed, seconds since the epoch.
    """

    trace_id: str
    span_id: str
    value: float
    time: float


class Exemplars:
    """The latest exemplar of each family and bucket; made before the workers are forked.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        records = len(_METRICS) * len(FAMILY.values) * _BUCKETS
        self._memory = mmap.mmap(-1, records * _SIZE)

    def keep(self, family: int, trace: SpanContext, outcome: Outcome) -> None:
        """Let a request whose trace is exported stand for the buckets that it was counted in.

        Args:
            family: where its family is among those of the label.
            trace: its trace.
            outcome: its durations.
        """
        trace_id = bytes.fromhex(trace.trace_id.decode())
        span_id = bytes.fromhex(trace.span_id.decode())
        now = self._clock()
        for metric, value in enumerate((outcome.duration, outcome.first_byte_after)):
            if value:
                content = _CONTENT.pack(trace_id, span_id, value, now)
                at = _at(metric, family, bisect_left(_BOUNDS, value))
                self._memory[at : at + _SIZE] = content + _checksum(content)

    def get(self, metric: Metric, family: str, bucket: int) -> Exemplar | None:
        """The exemplar of a bucket, if it has one."""
        at = _at(_METRICS.index(metric.name), FAMILY.values.index(family), bucket)
        record = self._memory[at : at + _SIZE]
        content, checksum = record[: _CONTENT.size], record[_CONTENT.size :]
        trace_id, span_id, value, when = _CONTENT.unpack(content)
        if not when or _checksum(content) != checksum:
            return None
        return Exemplar(trace_id.hex(), span_id.hex(), value, when)


def _checksum(content: bytes) -> bytes:
    return crc32(content).to_bytes(_CHECKSUM, "little")


def _at(metric: int, family: int, bucket: int) -> int:
    return ((metric * len(FAMILY.values) + family) * _BUCKETS + bucket) * _SIZE
