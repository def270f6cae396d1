"""Exports the spans of one worker, beside the requests that it serves.

Spans are made on the event loop, a few at a time: a second thread would hold the interpreter's lock
for up to its switch interval (5 ms), and requests would wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate import __version__
from headgate.events import ExportLossCause
from headgate.telemetry.otlp.losses import ExportLog
from headgate.telemetry.otlp.sender import Sender
from headgate.telemetry.otlp.span_queue import Ended, SpanQueue
from headgate.telemetry.otlp.spans import SpanMaker

GATHERING_SECONDS: Final = 1.0
"""How long a span waits for others before they are sent together."""
MOST_TOGETHER: Final = 256
"""Requests of one export."""
IN_ONE_TURN: Final = 4
"""Requests whose spans are made in one turn of the event loop: well under a millisecond."""
FLUSH_SECONDS: Final = 4.0
"""What a worker that stops gives to the spans that wait."""
SCOPE: Final = "headgate"


class SpanExporter:
    """Sends what is in the queue, until cancelled; then what is left of it, for a moment.

    Args:
        queue: what is to be exported.
        sender: sends it.
        log: what becomes of it.
    """

    def __init__(self, queue: SpanQueue, sender: Sender, log: ExportLog) -> None:
        self._queue = queue
        self._sender = sender
        self._log = log
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._maker: SpanMaker | None = None
        self._resource: Sequence[Any] = ()
        self._is_last = False
        self._in_hand = 0

    def use(self, maker: SpanMaker, resource: Sequence[Any]) -> None:
        """Make spans so from now on.

        Args:
            maker: makes them.
            resource: the attributes of the gate, as the protocol has them.
        """
        self._maker = maker
        self._resource = resource

    def notice(self) -> None:
        """Something is in the queue, or much."""
        self._some.set()
        if len(self._queue) > 1:
            self._full.set()

    async def run(self) -> None:
        """Export until cancelled."""
        work = asyncio.get_running_loop().create_task(self._work(), name="export spans")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._flush(work)
            raise
        finally:
            self._sender.close()

    async def _flush(self, work: asyncio.Task[None]) -> None:
        """Let what is under way end, and send the rest; what finds no time is lost."""
        self._is_last = True
        self._sender.finish()
        self._some.set()
        self._full.set()
        await asyncio.wait([work], timeout=FLUSH_SECONDS)
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
        left = len(self._queue) + self._in_hand
        self._queue.take(left)
        self._log.lost(ExportLossCause.UNREACHABLE, left, "the worker has stopped")

    async def _work(self) -> None:
        while not (self._is_last and not self._queue):
            await self._some.wait()
            if not self._is_last:
                await self._gather()
            while ended := self._queue.take(MOST_TOGETHER):
                self._in_hand = len(ended)
                await self._export(ended)
                self._in_hand = 0
            lost = self._queue.take_lost()
            self._log.lost(ExportLossCause.FULL, lost, "more spans than can be sent are waiting")
            self._log.look()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(GATHERING_SECONDS):
                await self._full.wait()
        except TimeoutError:
            pass
        self._full.clear()
        self._some.clear()

    async def _export(self, ended: Sequence[Ended]) -> None:
        request = ExportTraceServiceRequest()
        of_gate = request.resource_spans.add()
        of_gate.resource.attributes.extend(self._resource)
        of_scope = of_gate.scope_spans.add()
        of_scope.scope.name, of_scope.scope.version = SCOPE, __version__
        for number, each in enumerate(ended, start=1):
            before = len(of_scope.spans)
            try:
                self._made().add_to(of_scope.spans, each)
            except Exception as error:  # noqa: BLE001
                # Supervisor: what one request holds must not stop the spans of all others.
                del of_scope.spans[before:]
                problem = f"{type(error).__name__} while its span was made"
                self._log.lost(ExportLossCause.ERROR, 1, problem)
            if number % IN_ONE_TURN == 0:
                await asyncio.sleep(0)
        await self._sender.send(request.SerializeToString(), len(of_scope.spans))

    def _made(self) -> SpanMaker:
        assert self._maker is not None  # noqa: S101 - ``use`` comes first
        return self._maker
