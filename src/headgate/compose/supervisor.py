"""Binds the port and runs the workers under a supervisor."""

from __future__ import annotations

import contextlib
import faulthandler
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate import __version__, is_compiled
from headgate.compose.cloudwatch import emf_memory, write_last
from headgate.compose.events import event_bus
from headgate.compose.logs import GateLogs
from headgate.compose.maintenance import gate_marks
from headgate.compose.otlp import GateRun
from headgate.compose.shared_memory import shared_buckets
from headgate.compose.source import ConfigSource
from headgate.compose.take_over import (
    CLOSING_SECONDS,
    Before,
    HandOvers,
    gate_before,
    kept_of,
    memory_of,
    ops_passed,
    scheme_of,
)
from headgate.compose.worker import Shared, Sockets, run_worker
from headgate.config import AuthMode, Config
from headgate.events import ChecksNotShared, Emit, GateStarted, GateStopped, OpsListening
from headgate.model import Endpoint
from headgate.runtime import descriptors, listener
from headgate.runtime.activation import Inherited
from headgate.runtime.creates_memory import CreatesMemory
from headgate.runtime.gate_state import GateState
from headgate.runtime.lasting_memory import LastingMemory
from headgate.runtime.link import Link
from headgate.runtime.listeners import Listeners
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
    *,
    take_over: bool = False,
    hands_over: bool = False,
) -> int:
    """Run a gate until SIGINT or SIGTERM, then let running requests finish.

    ``announce`` is called once, when requests are accepted.  ``inherited``: sockets that a service
    manager has opened; ``config`` has their addresses.  ``manager`` hears how the gate is.
    ``take_over``: in place of the gate that runs at this address.  ``hands_over``: whether another
    gate may take over from this one.
    Returns the exit code.

    Raises:
        HeadgateError: the gate cannot start.
    """
    workers = config.listen.workers
    counters = Counters(workers)
    logs = GateLogs(config.log)
    emit = event_bus(counters.supervisor_row()).emit
    kept = Inherited() if inherited is None else inherited
    descriptors.raise_limit(config.limits, emit, more=FILES)
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(gate_before(config)) if take_over else None
        memory = LastingMemory(memory_of(config, before))
        stack.callback(memory.close)
        buckets = shared_buckets(memory)
        folder = stack.enter_context(_shared_folder(emit))
        clients = _clients(config, kept, before)
        stack.callback(clients.close)
        given = ops_passed(config, before) if kept.ops is None else (kept.ops,)
        ops = OpsSockets(config.ops, workers, emit, given)
        stack.callback(ops.close)
        state, emf = GateState(workers), emf_memory(config, counters)
        state.pass_on(passed=before is not None)
        run = GateRun(HttpDurations(workers))
        maintenance = MaintenanceMemory(workers, memory)
        creates = CreatesMemory(memory)
        marks = gate_marks(config, maintenance.gate_id, stack)
        shared = Shared(
            counters, buckets, folder, state, logs, maintenance, run, creates, emf, marks
        )
        if manager is None:
            manager = ServiceManager()
        if before is not None:
            manager = manager.taken_over(before.passed.watched)
        successors = None
        if hands_over:
            successors = HandOvers(config, clients, ops, memory, state, manager, emit, before)
            stack.callback(successors.close)
        gate = _Gate(config, announce, source, shared, clients, ops, emit, manager)
        gate.serve(before, successors)
    return 0


def _clients(config: Config, kept: Inherited, before: Before | None) -> Listeners:
    """The sockets for clients.

    Raises:
        HeadgateError: the address cannot be listened on.
    """
    if before is not None:
        return Listeners.passed(config.listen, before.passed.clients)
    if kept.clients is not None:
        return Listeners.passed(config.listen, [kept.clients])
    return Listeners.bound(config.listen)


@dataclass(frozen=True, slots=True)
class _Gate:
    """What the processes of a gate are made of."""

    config: Config
    announce: Callable[[Listening], None]
    source: ConfigSource | None
    shared: Shared
    clients: Listeners
    ops: OpsSockets
    emit: Emit
    manager: ServiceManager

    def serve(self, before: Before | None, successors: HandOvers | None) -> None:
        """Run the workers, and stay until all have ended.

        Raises:
            HeadgateError: the gate cannot start.
        """
        config, shared, emit = self.config, self.shared, self.emit
        listen, counters = config.listen, shared.counters
        row = counters.supervisor_row()
        event_log.count_losses(row)
        if config.auth.mode is AuthMode.KEYS:
            import_identity_store(config)
        row.set(START_TIME, time.time())
        row.set(BUILD_INFO, 1, __version__, platform.python_version(), _build())
        stats = ProcessStats(row)

        def tick(serving: int) -> None:
            row.set(WORKERS, serving)
            stats.update()
            if successors is not None:
                successors.look()

        def ended(number: int) -> None:
            counters.row(number).unset_gauges()
            shared.maintenance.end(number)

        def ready() -> None:
            if before is not None:
                before.finish(shared.state, emit)
            if successors is not None:
                successors.open(supervisor)
            self.tell()

        supervisor = Supervisor(
            listen.workers,
            lambda link: self.work(link, before, successors),
            self.prepare,
            listen.lame_duck + listen.drain_timeout + CLOSING_SECONDS,
            counters,
            emit,
            stuck_after=listen.worker_timeout,
            reloads=self.source is not None,
            logs=shared.logs.of_process(emit, tells=True),
            stopping=shared.state.stop,
            ended=ended,
            tick=tick,
            manager=self.manager,
            prepared=before.may_accept.give if before is not None else _nothing,
            kept=kept_of(config, before),
        )
        supervisor.run(ready)
        if shared.emf is not None:
            write_last(config.telemetry.cloudwatch, counters, shared.emf, shared.logs.fd, emit)
        emit(GateStopped())

    def tell(self) -> None:
        """Tell where the gate serves."""
        (host, port), ops = self.clients.address, self.ops.address
        self.announce(Listening(host, port, scheme_of(self.config), ops))
        if ops is not None:
            self.emit(OpsListening(*ops))
        self.emit(GateStarted(__version__, host, port, self.config.listen.workers))

    def prepare(self, number: int) -> None:
        """Make sure that a worker that replaces another one can listen.

        Raises:
            HeadgateError: it cannot.
        """
        self.clients.renew(number)
        self.ops.renew(number)

    def work(self, link: Link, before: Before | None, successors: HandOvers | None) -> None:
        """What a worker does in its process.

        Raises:
            HeadgateError: it cannot start.
        """
        own, own_ops = self.clients.take(link.number), self.ops.take(link.number)
        if before is not None:
            before.gate.close()
        if successors is not None:
            successors.close_in_worker()
        counters, state = self.shared.counters, self.shared.state
        faulthandler.enable(link.output)
        event_log.divert(link.output)
        event_log.count_losses(counters.row(link.number))
        signal = None if before is None else before.may_accept
        try:
            run_worker(self.config, self.source, self.shared, Sockets(own, own_ops), link, signal)
        finally:
            # No client may wait there for a worker that may not come.
            for each in (*own, *own_ops):
                listener.end(each, passed_on=state.is_passed_on())


def _nothing() -> None:
    """Do nothing."""


def _build() -> str:
    return "compiled" if is_compiled() else "pure"


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
