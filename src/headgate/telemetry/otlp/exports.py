"""All that one worker exports, and which requests are traced for it."""

from __future__ import annotations

import os
import random
import time
from typing import Any, Final, NamedTuple

from headgate.config import Compression, Otlp, Traces
from headgate.events import Emit, ExportLossCause
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.metrics import TELEMETRY_EXPORTS, TELEMETRY_LOST
from headgate.telemetry.otlp.collector import Collector
from headgate.telemetry.otlp.http_durations import HttpDurations
from headgate.telemetry.otlp.losses import ExportLog
from headgate.telemetry.otlp.metric_exporter import MetricExporter
from headgate.telemetry.otlp.resource import as_messages, resource_attributes
from headgate.telemetry.otlp.sampling import TraceSampler
from headgate.telemetry.otlp.sender import METRICS, TRACES, Sender, Signal
from headgate.telemetry.otlp.span_exporter import SpanExporter
from headgate.telemetry.otlp.span_queue import SpanQueue
from headgate.telemetry.otlp.spans import ServedAt, SpanMaker
from headgate.wire.tracer import Tracer

SPANS: Final = "otlp_traces"
POINTS: Final = "otlp_metrics"
"""Values of the label ``exporter``."""


class Place(NamedTuple):
    """Where a gate stands.

    Attributes:
        served_at: where clients reach it.
        upstream_schemes: the scheme of each upstream's URL, by its name.
        instance: tells this gate from all others.
    """

    served_at: ServedAt
    upstream_schemes: dict[str, str]
    instance: str


class RowCounts:
    """Counts exports in a row of the counters."""

    def __init__(self, row: CounterRow) -> None:
        self._row = row

    def exported(self, exporter: str, *, ok: bool) -> None:
        """See ``losses.Counts``."""
        self._row.add(TELEMETRY_EXPORTS, exporter, "ok" if ok else "failed")

    def lost(self, exporter: str, cause: ExportLossCause, amount: int) -> None:
        """See ``losses.Counts``."""
        self._row.add(TELEMETRY_LOST, exporter, cause.value, amount=amount)


class Exports:
    """The exporters of one worker.

    Args:
        row: where this worker counts.
        emit: takes the events.
        counters: of the whole gate, in the worker that exports them; ``None`` in all others.
        durations: likewise, what is counted for OpenTelemetry alone.
        began: since when everything is counted, in seconds since the epoch.

    Attributes:
        queue: takes the outcomes of which spans are made.
        tracer: for the data plane.
        spans: sends spans.
        metrics: sends metrics; ``None`` in a worker that does not.
    """

    def __init__(
        self,
        row: CounterRow,
        emit: Emit,
        counters: Counters | None,
        durations: HttpDurations,
        began: float,
    ) -> None:
        self._row = row
        self._emit = emit
        self._sampler = TraceSampler(time.monotonic)
        self.tracer: Final = Tracer(self._sampler, os.urandom)
        self.queue: Final = SpanQueue(time.time, time.monotonic, self._on_some)
        span_log = ExportLog(SPANS, RowCounts(row), emit, time.monotonic)
        self._span_sender = self._sender(TRACES, span_log)
        self.spans: Final = SpanExporter(self.queue, self._span_sender, span_log)
        self.metrics: MetricExporter | None = None
        if counters is not None:
            point_log = ExportLog(POINTS, RowCounts(row), emit, time.monotonic)
            self._point_sender = self._sender(METRICS, point_log)
            self.metrics = MetricExporter(counters, durations, self._point_sender, began, time.time)

    def use(
        self, otlp: Otlp, traces: Traces, place: Place, collectors: tuple[Collector, Collector]
    ) -> None:
        """Export as these settings say from now on.

        Args:
            otlp: where to, and how.
            traces: which requests are traced.
            place: where the gate stands.
            collectors: what sends spans, and what sends metrics.
        """
        resource: list[Any] = list(as_messages(resource_attributes(otlp, place.instance)))
        is_gzip = otlp.compression is Compression.GZIP
        self._sampler.configure(traces.ratio, traces.parents_per_second)
        self.queue.configure(traces.errors_per_second)
        maker = SpanMaker(
            place.served_at,
            os.urandom,
            principal_ids=traces.principal_ids,
            upstream_schemes=place.upstream_schemes,
        )
        self.spans.use(maker, resource)
        self._span_sender.use(collectors[0], is_gzip=is_gzip)
        if self.metrics is not None:
            self._point_sender.use(collectors[1], is_gzip=is_gzip)
            if otlp.metrics:
                scheme = place.served_at.scheme
                self.metrics.use(otlp.interval, resource, scheme, place.upstream_schemes)
            else:
                self.metrics.pause()

    def _on_some(self) -> None:
        self.spans.notice()

    @staticmethod
    def _sender(signal: Signal, log: ExportLog) -> Sender:
        return Sender(signal, log, lambda: random.uniform(0.8, 1.2), time.monotonic)  # noqa: S311
