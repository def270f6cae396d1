"""Wires what one worker process runs."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import uvloop

from headgate.auth.tokens.tokens import Tokens
from headgate.compose.authentication import Authentication, authentication
from headgate.compose.cloudwatch import emf_writer
from headgate.compose.control import UpstreamChecks, admin_facts, control_server
from headgate.compose.creates import creates
from headgate.compose.events import event_bus
from headgate.compose.logs import GateLogs, sampling
from headgate.compose.maintenance import maintenance
from headgate.compose.otlp import GateRun, OtlpExport
from headgate.compose.source import ConfigSource
from headgate.compose.tokens import issuer_tokens
from headgate.config import Config
from headgate.config.files import Files
from headgate.control.api import LogLevelFacts
from headgate.control.ops import OpsDecider
from headgate.control.shared_results import SharedResults
from headgate.dataplane.connections.dial import Dial, pair_dial
from headgate.decide.builder import PipelineBuilder
from headgate.events import Emit
from headgate.limits import SharedBuckets, WorkerLimits
from headgate.policy import Roles
from headgate.runtime import descriptors
from headgate.runtime.accept_signal import AcceptSignal
from headgate.runtime.certificates import watch_validity
from headgate.runtime.control_upstream import control_upstream
from headgate.runtime.creates_memory import CreatesMemory
from headgate.runtime.gate import LiveGate
from headgate.runtime.gate_marks import GateMarks
from headgate.runtime.gate_state import GateState
from headgate.runtime.handover import Handover
from headgate.runtime.heartbeat import Heartbeat
from headgate.runtime.link import Link
from headgate.runtime.loop_lag import watch_loop_lag
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.ops_listener import FILES, OpsListener, ops_limits
from headgate.runtime.reload import Reloader
from headgate.runtime.tls import ListenerTls
from headgate.runtime.worker import Companion, HandOver, Worker
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters
from headgate.telemetry.debug_lines import DebugLines
from headgate.telemetry.emf import EmfMemory
from headgate.telemetry.metrics import LOOP_LAG
from headgate.telemetry.outcome_sinks import OutcomeSinks


@dataclass(frozen=True, slots=True)
class Shared:
    """What the processes of one gate share, made before the workers are forked.

    Attributes:
        counters: what they count.
        buckets: the rates of principals and strangers.
        folder: where they leave results to each other; ``None``: nowhere.
        state: whether the gate is about to stop.
        logs: their files, and what all processes agree on about them.
        emf: what was written for CloudWatch; ``None``: nothing is.
        maintenance: what is asked of upstreams, and what each worker does about it.
        run: what the exports of the gate have in common.
        creates: what is known of creates that are under way, or in doubt.
        marks: of the gates in the data folder; ``None``: this gate has none.
    """

    counters: Counters
    buckets: SharedBuckets
    folder: Path | None
    state: GateState
    logs: GateLogs
    maintenance: MaintenanceMemory
    run: GateRun
    creates: CreatesMemory
    emf: EmfMemory | None = None
    marks: GateMarks | None = None


class Sockets(NamedTuple):
    """What one worker listens on: for clients, and for operators if that is configured."""

    clients: Sequence[socket.socket]
    ops: Sequence[socket.socket]


def run_worker(
    config: Config,
    source: ConfigSource | None,
    shared: Shared,
    sockets: Sockets,
    link: Link,
    may_accept: AcceptSignal | None = None,
) -> None:
    """Serve until the supervisor says to stop, or is gone.

    ``may_accept``: what to wait for before connections are accepted.

    Raises:
        HeadgateError: the worker cannot start.
    """
    counters, folder, state = shared.counters, shared.folder, shared.state
    state.set_draining(link.number, draining=False)
    with contextlib.ExitStack() as stack:
        emit = event_bus(counters.row(link.number)).emit
        handover = Handover(link)
        row = counters.row(link.number)
        tokens = issuer_tokens(link, handover, row, emit)
        found = authentication(config, tokens.authenticator, stack, link, row, emit)
        refresher = found.refresher
        access_log = shared.logs.access_log(row, emit)
        if access_log is not None:
            stack.callback(access_log.close)
        outcome_sinks = OutcomeSinks(row, access_log, emit)
        debug_lines = DebugLines(outcome_sinks, emit)
        own_logs = shared.logs.of_process(emit, on_debug=debug_lines.follow)

        dial = pair_dial(lambda: control.accept())  # noqa: PLW0108 - it is made later
        limits = WorkerLimits(shared.buckets, time.monotonic, emit)
        remembered = creates(config, shared.creates, row, lambda: gate.config, emit)

        def make(settings: Config, files: Files, *, fresh: bool) -> _Made:
            tls = None
            if settings.listen.tls is not None:
                tls = ListenerTls(settings.listen.tls, files, fresh=fresh)
            gate = LiveGate(
                settings,
                PipelineBuilder(found.chain, emit, limits.strangers),
                dial,
                account=outcome_sinks.account,
                emit=emit,
                row=counters.row(link.number),
                access_log=access_log,
                own_logs=own_logs,
                tls=tls,
                files=files,
                keep=handover.leave,
                limits=limits,
                answers=handover.answers(),
                keep_answers=handover.leave_answers,
                reloaded=link.reloaded,
                creates=remembered.table,
                shared_creates=remembered.shared,
            )
            return _Made(settings, gate, tls)

        made = _last_good(config, link, handover, make)
        gate = made.gate
        found.configure(made.config)
        tokens.configure(made.config.auth.issuers, Roles(made.config.roles))
        _follow_sampling(gate, access_log)
        maintained = maintenance(
            config,
            shared.maintenance,
            gate,
            link.number,
            sockets.clients[0],
            stack,
            emit,
            shared.marks,
        )
        export = _export(shared, sockets, link, outcome_sinks, made, emit)
        reloader = _reloader(
            config, source, made, found, tokens, export, emit, replaces=link.replaces
        )
        # A single worker has none to share results with.
        is_shared = config.listen.workers > 1 and folder is not None
        checks = UpstreamChecks(gate, SharedResults(folder) if is_shared and folder else None)
        control = control_server(
            gate,
            counters,
            checks,
            refresher,
            tokens,
            reloader,
            admin_facts(
                config,
                gate,
                emit,
                stack,
                LogLevelFacts(shared.logs.control, own_logs.look),
                maintained.facts,
            ),
            stopping=state.is_draining,
            worker=link.number,
            workers=config.listen.workers,
        )
        companions: list[Companion] = [
            control.serve,
            checks.settle,
            tokens.run,
            export.run,
            *maintained.companions,
            *remembered.companions,
            lambda: watch_loop_lag(lambda seconds: row.observe(LOOP_LAG, seconds)),
        ]
        if refresher is not None:
            companions.append(refresher.run)
        if link.number == 0:  # one worker is enough to log it
            companions.append(lambda: watch_validity(lambda: gate.certificates, emit))
            if shared.emf is not None:
                settings, fd = config.telemetry.cloudwatch, shared.logs.fd
                emf = emf_writer(settings, counters, shared.emf, fd, row, stack, emit)
                companions.append(emf.run)
        ops = _ops_listener(sockets.ops, gate, dial, outcome_sinks, emit, state)
        worker = Worker(
            config.listen,
            gate.plane,
            gate,
            emit,
            tls=made.tls.context if made.tls is not None else None,
            companions=companions,
            reloads=source is not None,
            heart=Heartbeat(link.beat, link.rest, link.output, config.listen.worker_timeout).run,
            ops=ops,
            stopping=lambda: state.set_draining(link.number, draining=True),
            hand_over=_hand_over(state, link, may_accept),
        )
        gate.keep()
        uvloop.run(worker.run(sockets.clients, link.ready, link.lifeline))
        if worker.orphaned and folder is not None:  # the supervisor can no longer do it
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Made:
    """A gate, what it was made from, and the certificates of its listener."""

    config: Config
    gate: LiveGate
    tls: ListenerTls | None


class _Make(Protocol):
    """Makes a gate; ``fresh`` says that ``files`` are those on disk."""

    def __call__(self, settings: Config, files: Files, *, fresh: bool) -> _Made: ...


def _export(
    shared: Shared, sockets: Sockets, link: Link, sinks: OutcomeSinks, made: _Made, emit: Emit
) -> OtlpExport:
    """What exports traces and metrics.

    Raises:
        HeadgateError: a file that it needs is not fit.
    """
    port = sockets.clients[0].getsockname()[1]
    export = OtlpExport(shared.run, link.number, shared.counters, sinks, port, emit)
    export.start(made.config, made.gate.plane, replaces=link.replaces)
    return export


def _last_good(started: Config, link: Link, handover: Handover, make: _Make) -> _Made:
    """A gate as the configuration has it; a worker that replaces another, as it was in force last.

    What is on disk then may be unfit, or only half written; it is read once the worker serves.

    Raises:
        HeadgateError: what is on disk is not fit.
    """
    left = handover.in_force() if link.replaces else None
    if left is None:
        return make(started, Files(), fresh=True)
    return make(left.config, Files(left.files), fresh=False)


def _reloader(
    started: Config,
    source: ConfigSource | None,
    made: _Made,
    authentication: Authentication,
    tokens: Tokens,
    export: OtlpExport,
    emit: Emit,
    *,
    replaces: bool,
) -> Reloader | None:
    """What takes up a changed configuration, where it can be read again."""
    if source is None:
        return None

    def apply(new: Config) -> None:
        put_export_in_force = export.prepare(new)
        made.gate.apply(new)
        put_export_in_force()
        descriptors.raise_limit(new.limits, emit, more=FILES)
        authentication.configure(new)
        tokens.configure(new.auth.issuers, Roles(new.roles))

    current = made.config if replaces else None
    reloader = Reloader(started, source.read, apply, emit, source.file, current)
    made.gate.follow(reloader)
    return reloader


def _hand_over(state: GateState, link: Link, signal: AcceptSignal | None) -> HandOver:
    """What a worker knows of the hand-overs of its gate."""
    if signal is None:
        return HandOver(state.is_passed_on, state.is_left)
    given = signal.given

    async def may_accept() -> None:
        link.prepared()
        await given()

    return HandOver(state.is_passed_on, state.is_left, may_accept)


def _follow_sampling(gate: LiveGate, access_log: AccessLog | None) -> None:
    if access_log is None:
        return
    access_log.sample(sampling(gate.config.log))
    gate.on_configured(lambda config: access_log.sample(sampling(config.log)))


def _ops_listener(
    listeners: Sequence[socket.socket],
    gate: LiveGate,
    dial: Dial,
    sinks: OutcomeSinks,
    emit: Emit,
    state: GateState,
) -> OpsListener | None:
    """The operators' listener of a worker, where it has one."""
    if not listeners:
        return None
    control = control_upstream(ops_limits(), dial)

    def decider(config: Config) -> OpsDecider:
        host = config.ops.address[0] if config.ops.address is not None else ""
        return OpsDecider(control, host, config.ops.hosts)

    ops = OpsListener(
        listeners,
        decider(gate.config),
        control,
        gate.config.ops.proxy_protocol,
        account=sinks.account,
        emit=emit,
        passed_on=state.is_passed_on,
    )
    gate.count_cuts_of(ops.plane)
    gate.on_configured(lambda config: ops.configure(decider(config), config.ops.proxy_protocol))
    return ops
