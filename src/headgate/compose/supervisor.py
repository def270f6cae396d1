"""Binds the port and runs the workers under a supervisor."""

from __future__ import annotations

import contextlib
import faulthandler
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate import __version__, is_compiled
from headgate.compose.cloudwatch import emf_memory, write_last
from headgate.compose.events import event_bus
from headgate.compose.logs import GateLogs
from headgate.compose.otlp import GateRun
from headgate.compose.shared_memory import shared_buckets
from headgate.compose.source import ConfigSource
from headgate.compose.worker import Shared, Sockets, run_worker
from headgate.config import AuthMode, Config
from headgate.events import ChecksNotShared, Emit, GateStarted, GateStopped, OpsListening
from headgate.model import Endpoint
from headgate.runtime import descriptors, listener
from headgate.runtime.activation import Inherited
from headgate.runtime.gate_state import GateState
from headgate.runtime.link import Link
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.ops_listener import FILES, OpsSockets
from headgate.runtime.service_manager import ServiceManager
from headgate.runtime.supervisor import Supervisor
from headgate.stores import import_identity_store
from headgate.telemetry import event_log
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import BUILD_INFO, START_TIME, WORKERS
from headgate.telemetry.otlp.http_durations import HttpDurations
from headgate.telemetry.process_stats import ProcessStats

CLOSING_SECONDS = 15.0
"""More than a worker needs, once its requests are over, to write its logs and end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the gate listens now."""

    host: str
    port: int
    scheme: str = "http"
    ops: Endpoint | None = None
    """The operators' listener."""


def serve(
    config: Config,
    announce: Callable[[Listening], None],
    source: ConfigSource | None = None,
    inherited: Inherited | None = None,
    manager: ServiceManager | None = None,
) -> int:
    """Run a gate until SIGINT or SIGTERM, then let running requests finish.

    ``announce`` is called once, when requests are accepted.  ``inherited``: sockets that a service
    manager has opened; ``config`` has their addresses.  ``manager`` hears how the gate is.
    Returns the exit code.

    Raises:
        HeadgateError: the gate cannot start.
    """
    counters = Counters(config.listen.workers)
    logs = GateLogs(config.log)
    buckets = shared_buckets()
    emit = event_bus(counters.supervisor_row()).emit
    kept = Inherited() if inherited is None else inherited
    descriptors.raise_limit(config.limits, emit, more=FILES)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_shared_folder(emit))
        if kept.clients is None:
            sockets = listener.bind(config.listen)
        else:
            sockets = listener.shared(kept.clients, config.listen.workers)
        stack.callback(_close, sockets)
        ops = OpsSockets(config.ops, config.listen.workers, emit, kept.ops)
        stack.callback(ops.close)
        state, emf = GateState(config.listen.workers), emf_memory(config, counters)
        run = GateRun(HttpDurations(config.listen.workers))
        maintenance = MaintenanceMemory(config.listen.workers)
        shared = Shared(counters, buckets, folder, state, logs, maintenance, run, emf)
        if manager is None:
            manager = ServiceManager()
        _serve(config, announce, source, shared, sockets, ops, emit, manager)
    return 0


def _serve(
    config: Config,
    announce: Callable[[Listening], None],
    source: ConfigSource | None,
    shared: Shared,
    sockets: list[socket.socket],
    ops: OpsSockets,
    emit: Emit,
    manager: ServiceManager,
) -> None:
    listen, counters = config.listen, shared.counters
    event_log.count_losses(counters.supervisor_row())
    host, port = sockets[0].getsockname()[:2]
    scheme = "http" if listen.tls is None else "https"

    def announce_all() -> None:
        announce(Listening(host, port, scheme, ops.address))
        if ops.address is not None:
            emit(OpsListening(*ops.address))
        emit(GateStarted(__version__, host, port, listen.workers))

    def prepare(number: int) -> None:
        sockets[number] = listener.renewed(sockets[number], listen)
        ops.renew(number)

    def body(link: Link) -> None:
        own = sockets[link.number]
        for other in sockets:
            if other is not own:
                other.close()
        own_ops = ops.take(link.number)
        faulthandler.enable(link.output)
        event_log.divert(link.output)
        event_log.count_losses(counters.row(link.number))
        try:
            run_worker(config, source, shared, Sockets(own, own_ops), link)
        finally:
            # No client may wait there for a worker that may not come.
            listener.end(own)
            if own_ops is not None:
                listener.end(own_ops)

    if config.auth.mode is AuthMode.KEYS:
        import_identity_store(config)
    row = counters.supervisor_row()
    row.set(START_TIME, time.time())
    row.set(BUILD_INFO, 1, __version__, platform.python_version(), _build())
    stats = ProcessStats(row)

    def ended(number: int) -> None:
        counters.row(number).unset_gauges()
        shared.maintenance.end(number)

    def tick(serving: int) -> None:
        row.set(WORKERS, serving)
        stats.update()

    Supervisor(
        listen.workers,
        body,
        prepare,
        listen.lame_duck + listen.drain_timeout + CLOSING_SECONDS,
        counters,
        emit,
        stuck_after=listen.worker_timeout,
        reloads=source is not None,
        logs=shared.logs.of_process(emit, tells=True),
        stopping=shared.state.stop,
        ended=ended,
        tick=tick,
        manager=manager,
    ).run(announce_all)
    if shared.emf is not None:
        write_last(config.telemetry.cloudwatch, counters, shared.emf, shared.logs.fd, emit)
    emit(GateStopped())


def _build() -> str:
    return "compiled" if is_compiled() else "pure"


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


@contextlib.contextmanager
def _shared_folder(emit: Emit) -> Iterator[Path | None]:
    """A folder in which workers share results; where none can be made, each is by itself."""
    try:
        folder = tempfile.mkdtemp(prefix="headgate-")
    except OSError as error:
        emit(ChecksNotShared(error.strerror or str(error)))
        yield None
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
