"""The companion that exports spans: in batches, and what is left when the worker stops."""

from __future__ import annotations

import asyncio
import contextlib

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate.events import discard
from headgate.model import SpanContext
from headgate.telemetry.otlp.losses import ExportLog
from headgate.telemetry.otlp.sender import TRACES, Sender
from headgate.telemetry.otlp.span_exporter import MOST_TOGETHER, SpanExporter
from headgate.telemetry.otlp.span_queue import MOST_OUTCOMES, SpanQueue
from headgate.telemetry.otlp.spans import ServedAt, SpanMaker
from tests.support.outcomes import an_outcome
from tests.unit.telemetry.otlp.test_sender import Counts, Scripted, reply


class Scene:
    """An exporter with its queue, and what it has sent."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.collector = Scripted(reply())
        log = ExportLog("otlp_traces", self.counts, discard, lambda: 0.0)
        sender = Sender(TRACES, log, lambda: 1.0, lambda: 0.0)
        sender.use(self.collector, is_gzip=False)  # type: ignore[arg-type]
        self.queue = SpanQueue(lambda: 1000.0, lambda: 0.0, lambda: self.exporter.notice())  # noqa: PLW0108 - it is made later
        self.exporter = SpanExporter(self.queue, sender, log)
        at = ServedAt("127.0.0.1", 8080, "http")
        self.maker = SpanMaker(at, bytes, principal_ids=False, upstream_schemes={})
        self.exporter.use(self.maker, ())

    def put(self, count: int, trace_id: bytes = b"1" * 32) -> None:
        for _ in range(count):
            self.queue.put(an_outcome(trace=SpanContext(trace_id, b"", b"2" * 16, sampled=True)))

    def sizes(self) -> list[int]:
        """How many server spans each export had."""
        requests = map(ExportTraceServiceRequest.FromString, self.collector.bodies)
        spans = [each.resource_spans[0].scope_spans[0].spans for each in requests]
        return [sum(each.kind == 2 for each in some) for some in spans]

    def run_and_stop(self) -> None:
        async def run() -> None:
            task = asyncio.get_running_loop().create_task(self.exporter.run())
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(run())


def test_what_waits_is_sent_in_batches_when_the_worker_stops() -> None:
    scene = Scene()
    scene.put(MOST_TOGETHER + 3)
    scene.run_and_stop()
    assert scene.sizes() == [MOST_TOGETHER, 3]
    assert len(scene.queue) == 0


def test_what_found_no_room_is_counted() -> None:
    scene = Scene()
    scene.put(MOST_OUTCOMES + 5)
    scene.run_and_stop()
    assert sum(scene.sizes()) == MOST_OUTCOMES
    assert ("full", 5) in scene.counts.all


def test_one_that_cannot_be_made_is_counted_and_stops_no_other() -> None:
    scene = Scene()
    scene.put(1)
    scene.put(1, trace_id=b"no id")
    scene.put(1)
    scene.run_and_stop()
    assert ("error", 1) in scene.counts.all
    assert scene.sizes() == [2]
