"""Sends exports to a collector, and tries again what may work later.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response says which responses mean that.
"""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import math
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from headgate.events import ExportLossCause
from headgate.telemetry.otlp.collector import BadResponse, Collector, Reply, Unreachable
from headgate.telemetry.otlp.losses import ExportLog

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 30.0
LONGEST_RETRY_AFTER: Final = 300.0
TRYING_SECONDS: Final = 120.0
"""For so long one export is tried again; then its place is for newer ones."""
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_PROTOBUF: Final = frozenset({b"", b"application/x-protobuf", b"application/protobuf"})
_JSON: Final = b"application/json"
_LONGEST_WORDS: Final = 200


class Signal(NamedTuple):
    """One kind of exports: its path below the endpoint, and how its responses are read."""

    path: str
    response: Any
    rejected: str


TRACES: Final = Signal("/v1/traces", ExportTraceServiceResponse, "rejected_spans")
METRICS: Final = Signal("/v1/metrics", ExportMetricsServiceResponse, "rejected_data_points")


class _Verdict(NamedTuple):
    """What a response means: whether to try again, and after how many seconds at least."""

    cause: ExportLossCause
    problem: str
    is_final: bool = True
    wait: float = 0.0


class Sender:
    """Sends the exports of one signal, one at a time.

    Args:
        signal: what they are.
        log: what becomes of them.
        jitter: a factor for each wait, so that many gates do not come back together.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        signal: Signal,
        log: ExportLog,
        jitter: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._signal = signal
        self._log = log
        self._jitter = jitter
        self._clock = clock
        self._collector: Collector | None = None
        self._is_gzip = True
        self._wait = 0.0
        self._finishing = asyncio.Event()

    def use(self, collector: Collector, *, is_gzip: bool) -> None:
        """Send to this collector from now on."""
        if self._collector is not None:
            self._collector.close()
        self._collector = collector
        self._is_gzip = is_gzip
        self._wait = 0.0

    def close(self) -> None:
        """Close the connection."""
        if self._collector is not None:
            self._collector.close()

    def finish(self) -> None:
        """Wait no longer between two attempts: each export has one from now on."""
        self._finishing.set()

    async def send(self, body: bytes, items: int, trying: float = TRYING_SECONDS) -> bool:
        """Send one export until it is taken, or is lost; whether it was taken.

        Args:
            body: the message.
            items: how many spans it has, or 1 for metrics.
            trying: for how many seconds it may be tried again.
        """
        if self._is_gzip:  # zlib releases the interpreter's lock
            packed = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
        else:
            packed = body
        until = self._clock() + trying
        while True:
            verdict = await self._attempt(packed, items)
            if verdict is None:
                return True
            if verdict.is_final:
                self._log.lost(verdict.cause, items, verdict.problem)
                return False
            self._wait = min(LONGEST_WAIT, self._wait * 2 or FIRST_WAIT)
            wait = max(self._wait * self._jitter(), verdict.wait)
            if self._finishing.is_set() or self._clock() + wait > until:
                self._log.lost(verdict.cause, items, verdict.problem)
                await self._pause(wait)  # the next export must not come sooner either
                return False
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._finishing.wait()
        except TimeoutError:
            pass

    async def _attempt(self, body: bytes, items: int) -> _Verdict | None:
        """Send it once; ``None``: it was taken."""
        collector = self._collector
        assert collector is not None  # noqa: S101 - ``use`` comes first
        try:
            reply = await collector.post(self._signal.path, body, is_gzip=self._is_gzip)
        except Unreachable as error:
            problem = f"{collector.endpoint}: {error}"
            verdict = _Verdict(ExportLossCause.UNREACHABLE, problem, is_final=False)
        except BadResponse as error:
            verdict = _Verdict(ExportLossCause.ERROR, f"{collector.endpoint}: {error}")
        else:
            if 200 <= reply.status < 300:
                return self._taken(collector, reply, items)
            verdict = _refused(collector, reply)
        self._log.failed(verdict.cause, verdict.problem)
        return verdict

    def _taken(self, collector: Collector, reply: Reply, items: int) -> _Verdict | None:
        try:
            rejected, why = self._partial_success(reply)
        except (DecodeError, json_format.ParseError, RecursionError):
            problem = f"{collector.endpoint} does not respond as a collector does"
            self._log.failed(ExportLossCause.ERROR, problem)
            return _Verdict(ExportLossCause.ERROR, problem)
        self._wait = 0.0
        self._log.worked()
        if rejected:
            problem = f"{collector.endpoint} rejects some: {_brief(why) or 'it does not say why'}"
            self._log.lost(ExportLossCause.REFUSED, min(rejected, items), problem)
        return None

    def _partial_success(self, reply: Reply) -> tuple[int, str]:
        """How many were rejected, and why.

        Raises:
            DecodeError: the response is no message of the protocol.
            json_format.ParseError: likewise.
            RecursionError: likewise.
        """
        signal = self._signal
        message = signal.response()
        if reply.media_type == _JSON:
            json_format.Parse(reply.body or b"{}", message, ignore_unknown_fields=True)
        elif reply.media_type not in _PROTOBUF and reply.body:
            raise DecodeError("another type")
        else:
            message.ParseFromString(reply.body)
        partial = message.partial_success
        return int(getattr(partial, signal.rejected)), partial.error_message


def _refused(collector: Collector, reply: Reply) -> _Verdict:
    status = reply.status
    problem = f"{collector.endpoint} responded {status}"
    if status in _RETRYABLE:
        wait = _seconds(reply.field(b"retry-after"))
        return _Verdict(ExportLossCause.UNREACHABLE, problem, is_final=False, wait=wait)
    if 300 <= status < 400:
        problem += ", a redirect, which is not followed: name the right place as the endpoint"
    elif status in (401, 403):
        problem += ": see telemetry.otlp.headers_file"
    elif status in (404, 405):
        problem += ": there is no OTLP over HTTP; is the endpoint right?"
    return _Verdict(ExportLossCause.REFUSED, problem)


def _seconds(retry_after: str) -> float:
    """The seconds that a ``Retry-After`` says (RFC 9110 section 10.2.3); 0 for none."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else 0.0


def _brief(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST_WORDS])
