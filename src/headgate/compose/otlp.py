"""Wires the export of traces and metrics in one worker."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from headgate.config import Config
from headgate.dataplane.plane import DataPlane
from headgate.errors import HeadgateError
from headgate.events import ConfigurationRefused, Emit, InternalError
from headgate.runtime.file_watch import FileWatch
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.otlp.http_durations import HttpDurations
from headgate.telemetry.outcome_sinks import OutcomeSinks

if TYPE_CHECKING:
    from headgate.telemetry.otlp.exports import Exports
    from headgate.telemetry.otlp.spans import ServedAt

LOOK_SECONDS: Final = 1.0
AFTER_DEFECT_SECONDS: Final = 5.0
_SPANS: Final = "spans"
_DURATIONS: Final = "durations for OpenTelemetry"
_WILDCARDS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class GateRun:
    """What the exports of all workers share; made before they are forked.

    Attributes:
        instance: tells this gate from all others, and from itself after a restart.
        began: when it was started, in seconds since the epoch.
        durations: what is counted for OpenTelemetry alone.
    """

    durations: HttpDurations
    instance: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.time)


class OtlpExport:
    """Exports what the configuration in force says, and nothing where it says so.

    Args:
        run: what all workers share.
        worker: the number of this one; worker 0 exports the metrics of all.
        counters: of all workers.
        sinks: of the outcomes of this worker.
        port: that the gate listens on.
        emit: takes the events.
    """

    def __init__(
        self,
        run: GateRun,
        worker: int,
        counters: Counters,
        sinks: OutcomeSinks,
        port: int,
        emit: Emit,
    ) -> None:
        self._run = run
        self._worker = worker
        self._counters = counters
        self._sinks = sinks
        self._port = port
        self._emit = emit
        self._row: CounterRow = counters.row(worker)
        self._exports: Exports | None = None
        self._is_on = asyncio.Event()
        self._config: Config | None = None
        self._watch: FileWatch | None = None
        self._plane: DataPlane | None = None
        self._counts_durations = False

    def start(self, config: Config, plane: DataPlane, *, replaces: bool) -> None:
        """Export as ``config`` says.

        Args:
            config: in force.
            plane: takes the tracer.
            replaces: whether this worker replaces another one: it serves then although a file that
                the export needs is not fit any more.

        Raises:
            HeadgateError: such a file is not fit.
        """
        self._plane = plane
        try:
            self.prepare(config)()
        except HeadgateError as error:
            if not replaces:
                raise
            self._emit(ConfigurationRefused(str(error)))
            self._watch_files(config)

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready to export as ``config`` says; what is returned puts that in force.

        Raises:
            HeadgateError: a file cannot be read, or does not hold what it should.
        """
        otlp = config.telemetry.otlp
        if otlp.endpoint is None:
            return lambda: self._stop(config)
        # Only here, so that a gate that exports nothing imports nothing for it.
        from headgate.telemetry.otlp.connection import connect_to  # noqa: PLC0415

        collectors = (
            connect_to(otlp.endpoint, otlp, os.environ),
            connect_to(otlp.endpoint, otlp, os.environ),
        )

        def put_in_force() -> None:
            from headgate.telemetry.otlp.exports import Exports, Place  # noqa: PLC0415

            if self._exports is None:
                self._exports = Exports(
                    self._row,
                    self._emit,
                    self._counters if self._worker == 0 else None,
                    self._run.durations,
                    self._run.began,
                )
            place = Place(
                served_at(config, self._port), upstream_schemes(config), self._run.instance
            )
            self._exports.use(otlp, config.telemetry.traces, place, collectors)
            self._connect(config, self._exports)
            self._watch_files(config)
            self._is_on.set()

        return put_in_force

    async def run(self) -> None:
        """Export until cancelled, as long as there is somewhere to export to."""
        await self._is_on.wait()
        exports = self._exports
        assert exports is not None  # noqa: S101 - it is there once it is on
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(exports.spans.run), name="spans")
            if exports.metrics is not None:
                group.create_task(self._keep(exports.metrics.run), name="metrics")
            group.create_task(self._follow_files(), name="files of the export")

    async def _keep(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001
                # Supervisor: no defect of an export may end the worker that serves requests.
                self._emit(InternalError("exporting to the collector", error))
            await asyncio.sleep(AFTER_DEFECT_SECONDS)

    async def _follow_files(self) -> None:
        """Read the files of the connection again when they have changed."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            watch, config = self._watch, self._config
            if watch is None or config is None or not watch.changed():
                continue
            try:
                self.prepare(config)()
            except HeadgateError as error:
                self._emit(ConfigurationRefused(str(error)))

    def _watch_files(self, config: Config) -> None:
        from headgate.telemetry.otlp.connection import files_of  # noqa: PLC0415

        if config is not self._config:
            self._watch = FileWatch(*files_of(config.telemetry.otlp), taken=True)
        self._config = config

    def _connect(self, config: Config, exports: Exports) -> None:
        """Let the data plane trace, and outcomes come, where that is wanted."""
        is_traced = config.telemetry.traces.enabled
        if self._plane is not None:
            self._plane.tracer = exports.tracer if is_traced else None
        if is_traced:
            self._sinks.subscribe(_SPANS, exports.queue.put)
        else:
            self._sinks.unsubscribe(_SPANS)
        if not config.telemetry.otlp.metrics:
            self._sinks.unsubscribe(_DURATIONS)
        elif not self._counts_durations:
            self._sinks.subscribe(_DURATIONS, self._run.durations.row(self._worker).count)
        self._counts_durations = config.telemetry.otlp.metrics

    def _stop(self, config: Config) -> None:
        self._config, self._watch = config, None
        self._sinks.unsubscribe(_SPANS)
        self._sinks.unsubscribe(_DURATIONS)
        self._counts_durations = False
        if self._plane is not None:
            self._plane.tracer = None
        if self._exports is not None and self._exports.metrics is not None:
            self._exports.metrics.pause()


def served_at(config: Config, port: int) -> ServedAt:
    """Where clients reach the gate, as the configuration says it.

    Args:
        config: in force.
        port: that the gate listens on.
    """
    from headgate.telemetry.otlp.spans import ServedAt  # noqa: PLC0415

    listen = config.listen
    scheme = "http" if listen.tls is None else "https"
    if listen.public_names:
        parts = urlsplit(f"//{listen.public_names[0]}")
        return ServedAt(parts.hostname or "", parts.port or port, scheme)
    host = socket.gethostname() if listen.host in _WILDCARDS else listen.host
    return ServedAt(host, port, scheme)


def upstream_schemes(config: Config) -> dict[str, str]:
    """The scheme of each upstream's URL, by its name."""
    return {
        name: "https" if upstream.is_https else "http"
        for name, upstream in config.upstreams.items()
    }
