"""Exports the metrics of the whole gate; one worker does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from headgate import __version__
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import METRICS
from headgate.telemetry.otlp.http_durations import HttpDurations
from headgate.telemetry.otlp.metric_points import client_durations, message_of, server_durations
from headgate.telemetry.otlp.sender import Sender
from headgate.telemetry.otlp.span_exporter import SCOPE

FLUSH_SECONDS: Final = 4.0
"""What a worker that stops gives to its last export."""
_NANOSECONDS: Final = 1_000_000_000


class MetricExporter:
    """Sends all metrics each so many seconds, until cancelled; then once more.

    Args:
        counters: what is counted.
        durations: what is counted for OpenTelemetry alone.
        sender: sends it.
        began: since when everything is counted, in seconds since the epoch.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        counters: Counters,
        durations: HttpDurations,
        sender: Sender,
        began: float,
        clock: Callable[[], float],
    ) -> None:
        self._counters = counters
        self._durations = durations
        self._sender = sender
        self._began = began
        self._clock = clock
        self._interval = 60.0
        self._resource: Sequence[Any] = ()
        self._scheme = "http"
        self._upstream_schemes: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._is_on = False

    def use(
        self,
        interval: float,
        resource: Sequence[Any],
        scheme: str,
        upstream_schemes: dict[str, str],
    ) -> None:
        """Export so from now on.

        Args:
            interval: seconds between two exports.
            resource: the attributes of the gate, as the protocol has them.
            scheme: of the listener.
            upstream_schemes: of each upstream's URL, by its name.
        """
        self._interval = interval
        self._resource = resource
        self._scheme = scheme
        self._upstream_schemes = upstream_schemes
        self._is_on = True
        self._changed.set()

    def pause(self) -> None:
        """Export nothing until the next ``use``."""
        self._is_on = False

    async def run(self) -> None:
        """Export until cancelled."""
        work = asyncio.get_running_loop().create_task(self._work(), name="export metrics")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._sender.finish()
            work.cancel()
            await asyncio.wait([work])
            if self._is_on:
                last = asyncio.get_running_loop().create_task(self._export(0.0), name="last export")
                await asyncio.wait([last], timeout=FLUSH_SECONDS)
                last.cancel()
            raise
        finally:
            self._sender.close()

    async def _work(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            except TimeoutError:
                if self._is_on:
                    # What is counted is sent again each time, so nothing newer has to wait.
                    await self._export(self._interval / 2)

    async def _export(self, trying: float) -> None:
        await self._sender.send((await self._request()).SerializeToString(), 1, trying)

    async def _request(self) -> Any:
        request = ExportMetricsServiceRequest()
        of_gate = request.resource_metrics.add()
        of_gate.resource.attributes.extend(self._resource)
        of_scope = of_gate.scope_metrics.add()
        of_scope.scope.name, of_scope.scope.version = SCOPE, __version__
        totals = self._counters.totals()
        begin, now = int(self._began * _NANOSECONDS), int(self._clock() * _NANOSECONDS)
        now = max(begin + 1, now)  # a clock may have been set back
        for metric in METRICS:
            message = message_of(metric, totals, begin, now)
            if message is not None:
                of_scope.metrics.append(message)
            await asyncio.sleep(0)  # requests go on between two metrics
        durations = self._durations
        for message in (
            server_durations(durations.of_server(), self._scheme, begin, now),
            client_durations(durations.of_client(), self._upstream_schemes, begin, now),
        ):
            if message is not None:
                of_scope.metrics.append(message)
        return request
