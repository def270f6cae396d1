"""The gate of one worker: what the configuration in force comes to, and its upkeep."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from headgate.cluster import ClusterSnapshot
from headgate.config import Config, Limits, Upstream
from headgate.config.files import Files
from headgate.contract import table
from headgate.creates import CreateTable
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connections.dial import Dial
from headgate.dataplane.decisions import Decider
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.shared_creates import SharedCreates
from headgate.errors import HeadgateError
from headgate.events import (
    CertificateRefused,
    CertificateReloaded,
    Emit,
    HandshakeFailure,
    UpstreamRetired,
)
from headgate.limits import WorkerLimits, own_buckets
from headgate.model import Outcome
from headgate.runtime.certificates import Validity, validities
from headgate.runtime.control_upstream import control_upstream
from headgate.runtime.gauges import Gauges
from headgate.runtime.handover import InForce
from headgate.runtime.reload import Reloader
from headgate.runtime.tls import ListenerTls
from headgate.runtime.worker_gauges import WorkerGauges
from headgate.tasks import Tasks
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.process_logs import ProcessLogs
from headgate.upstreams.known_answers import Answers
from headgate.upstreams.live import LiveUpstream
from headgate.wire.tracer import Tracer

FIRST_RESPONSE_SECONDS = 5.0
"""How long a start, or a new upstream, waits for discovery; after that requests get 503 until it
responds."""


class Builder(Protocol):
    """Builds what decides on requests from a configuration."""

    def build(
        self, config: Config, upstreams: Mapping[str, LiveUpstream], control: Balancer
    ) -> Decider:
        """What decides as ``config`` says, by the upstreams of that configuration."""
        ...

    def close(self) -> None:
        """Release what it has."""


class LiveGate:
    """Builds the data plane from a ``Config``, and again from each new one.

    Args:
        config: the configuration to begin with.
        builder: builds what decides on requests.
        control: connects to the control application.
        account: called with the outcome of each request.
        emit: takes the events.
        row: where this worker counts.
        access_log: where requests are written, if anywhere.
        own_logs: the logs of this process.
        tls: the listener's certificates, if it has any.
        files: reads the certificates and secrets of upstreams at first.
        keep: called with what is in force after each change of it.
        limits: which requests may begin; by default it shares nothing with other workers.
        tracer: gives requests their place in a trace, if the gate has spans of its own.
        answers: what MLflow said last of itself, as another worker left it, by upstream.
        keep_answers: called with the same whenever it is another than before.
        reloaded: called once the configuration that it was asked to read is in force, or, with
            the reason, is refused.
        creates: those that are under way or in doubt; by default none is remembered.
        shared_creates: those that all gates know of; by default there are none.

    ``certificates``: how long those in force are valid.

    Raises:
        HeadgateError: a certificate file of an upstream is not fit.
    """

    def __init__(
        self,
        config: Config,
        builder: Builder,
        control: Dial,
        *,
        account: Callable[[Outcome], None],
        emit: Emit,
        row: CounterRow,
        access_log: AccessLog | None,
        own_logs: ProcessLogs | None = None,
        tls: ListenerTls | None,
        files: Files,
        keep: Callable[[InForce], None],
        limits: WorkerLimits | None = None,
        tracer: Tracer | None = None,
        answers: Answers | None = None,
        keep_answers: Callable[[Answers], None] = lambda _answers: None,
        reloaded: Callable[[str], None] = lambda _refused: None,
        creates: CreateTable | None = None,
        shared_creates: SharedCreates | None = None,
    ) -> None:
        self._builder = builder
        self._emit = emit
        self._gauges = Gauges(row)
        self._worker_gauges = WorkerGauges(row)
        self._access_log = access_log
        self._own_logs = own_logs
        self._tls = tls
        self._reloader: Reloader | None = None
        self._answers: Answers = answers or {}
        self._leave_answers = keep_answers
        self._reloaded = reloaded
        self._must_tell = False
        self._control = control_upstream(config.limits, control)
        self._config = config
        self._files = files
        self._keep = keep
        self.certificates: list[Validity] = []
        self._retired: list[LiveUpstream] = []
        self._takers: list[Callable[[Config], None]] = []
        self._ticks: list[Callable[[], None]] = []
        if limits is None:
            limits = WorkerLimits(own_buckets(), time.monotonic, emit)
        self._limits = limits
        self._upstreams = {
            name: self._upstream(name, settings, config.limits, files)
            for name, settings in config.upstreams.items()
        }
        self._pending: dict[str, LiveUpstream] = {}
        self._tasks = Tasks(emit)
        self.plane = DataPlane(
            self._decider(config),
            config.limits,
            time.monotonic,
            secrets.token_hex(8),
            config.listen.trusted_proxies,
            account=account,
            emit=emit,
            worker_limits=limits,
            tracer=tracer,
        )
        self.plane.proxy_protocol.networks = config.listen.proxy_protocol
        self.plane.creates = creates
        self.plane.shared_creates = shared_creates
        self._cuts = [self.plane.cuts]
        self._worker_gauges.loaded(config)

    def on_configured(self, take: Callable[[Config], None]) -> None:
        """Let ``take`` have each configuration that is put in force from now on."""
        self._takers.append(take)

    def count_cuts_of(self, plane: DataPlane) -> None:
        """Count what another data plane of this worker cuts, too."""
        self._cuts.append(plane.cuts)

    def follow(self, reloader: Reloader) -> None:
        """Reload through ``reloader`` from now on."""
        self._reloader = reloader

    def apply(self, config: Config) -> None:
        """Decide on new requests as ``config`` says; those under way end as they began.

        An upstream whose settings are the same keeps the state of its endpoints.  A new one is put
        in force once its endpoints are known: until then everything stays as it was.

        Raises:
            HeadgateError: a certificate file is not fit; nothing has changed.
        """
        upstreams, renewals, files = {}, [], Files()
        for name, settings in config.upstreams.items():
            running = self._upstreams.get(name)
            if running is not None and running.fits(settings, config.limits):
                upstreams[name] = running
                renewals.append(running.renew(files))
            else:
                upstreams[name] = self._upstream(name, settings, config.limits, files)
        for renew in renewals:
            renew()
        self._config, self._files = config, files
        self.keep()
        self._drop_pending()
        self._pending = {name: each for name, each in upstreams.items() if not self._has(each)}
        for each in self._pending.values():
            each.start()
        if self._pending:
            self._tasks.start(self._await(config, upstreams), "wait for new upstreams")
        else:
            self._put_in_force(config, upstreams)

    def keep(self) -> None:
        """Leave what is in force to the workers that start later."""
        in_force = self.in_force()
        self._keep(in_force)
        self.certificates = validities(in_force.config, in_force.files)

    def _keep_answers(self) -> None:
        """Leave what MLflow said last of itself to the workers that start later."""
        self._answers = {each.name: dict(each.answers.answers) for each in self.upstreams}
        self._leave_answers(self._answers)

    def in_force(self) -> InForce:
        """The configuration in force, with the contents of the files that it names."""
        listener = self._tls.seen if self._tls is not None else {}
        return InForce(self._config, self._files.seen | listener)

    async def _await(self, config: Config, upstreams: dict[str, LiveUpstream]) -> None:
        await _endpoints_known(self._pending.values())
        self._pending = {}
        self._put_in_force(config, upstreams)

    def _put_in_force(self, config: Config, upstreams: dict[str, LiveUpstream]) -> None:
        before, self._upstreams = self._upstreams, upstreams
        for old in before.values():
            if not self._has(old):
                is_changed = old.name in upstreams
                why = "its settings have changed" if is_changed else "no longer configured"
                self._emit(UpstreamRetired(old.name, why))
                old.retire()
                self._retired.append(old)
        self.plane.configure(self._decider(config), config.limits, config.listen.trusted_proxies)
        self.plane.proxy_protocol.networks = config.listen.proxy_protocol
        for take in self._takers:
            take(config)
        self._worker_gauges.loaded(config)

    def _has(self, upstream: LiveUpstream) -> bool:
        return self._upstreams.get(upstream.name) is upstream

    def _drop_pending(self) -> None:
        """Forget a configuration that is not in force yet."""
        self._tasks.stop()
        for each in self._pending.values():
            each.close()
        self._pending = {}

    async def prepare(self) -> None:
        """Begin to find endpoints, and wait a moment for the first report of each."""
        table()  # made once; the first request shall not wait for it
        for upstream in self._upstreams.values():
            upstream.start()
        await _endpoints_known(self._upstreams.values())

    @property
    def config(self) -> Config:
        """The configuration in force, or about to be."""
        return self._config

    @property
    def upstreams(self) -> Collection[LiveUpstream]:
        """Those in force."""
        return self._upstreams.values()

    @property
    def balancers(self) -> Iterable[Balancer]:
        """Of the upstreams in force, and of those that still have requests under way."""
        return [each.balancer for each in (*self._upstreams.values(), *self._retired)]

    def on_tick(self, do: Callable[[], None]) -> None:
        """Let ``do`` be called twice a second."""
        self._ticks.append(do)

    def snapshots(self) -> list[ClusterSnapshot]:
        """The state of each upstream."""
        return [upstream.balancer.snapshot() for upstream in self._upstreams.values()]

    # --- upkeep, for the worker ------------------------------------------------------------

    def tick(self) -> None:
        """What is due twice a second."""
        self._retired = [
            each for each in self._retired if each.balancer.size or self.plane.serves(each.balancer)
        ]
        for do in self._ticks:
            do()
        for each in (*self._upstreams.values(), *self._retired):
            each.sweep()
        self._control.sweep()
        if self._access_log is not None:
            self._access_log.flush()
        if self._own_logs is not None:
            self._own_logs.look()
        self._set_gauges()
        fit = True
        if self._reloader is not None:
            self._reloader.look()
            fit = not self._reloader.status().problems
            self._tell_reloaded(self._reloader)
        self._worker_gauges.update(fit=fit, certificates=self.certificates)
        if self._tls is not None:
            self._refresh(self._tls)

    def reload(self) -> None:
        """Read the configuration again, where it can be."""
        if self._reloader is not None:
            self._must_tell = True
            self._reloader.reload()
            self._tell_reloaded(self._reloader)

    def _tell_reloaded(self, reloader: Reloader) -> None:
        """Say that a reload that was asked for has ended, once it has."""
        if self._must_tell and not reloader.is_asked and not self._pending:
            self._must_tell = False
            self._reloaded("; ".join(reloader.status().problems))

    def close(self) -> None:
        """Close every connection to an upstream, and end the helper process."""
        self._drop_pending()
        self._builder.close()
        for each in (*self._upstreams.values(), *self._retired):
            each.close()
        self._control.close()
        self._set_gauges()

    def _set_gauges(self) -> None:
        upstreams, tally = self._upstreams.values(), self._limits.tally
        self._gauges.set(self.plane, self._config.limits, upstreams, self._retired, tally)
        for cuts in self._cuts:
            self._worker_gauges.count_cuts(cuts)

    def handshake_failed(self, cause: HandshakeFailure) -> None:
        """Count a TLS handshake that failed."""
        self._worker_gauges.count_handshake_failure(cause)

    def _refresh(self, tls: ListenerTls) -> None:
        try:
            if tls.refresh():
                self._emit(CertificateReloaded())
                self.keep()
        except HeadgateError as error:
            self._emit(CertificateRefused(str(error)))

    # --- building --------------------------------------------------------------------------

    def _upstream(
        self, name: str, settings: Upstream, limits: Limits, files: Files
    ) -> LiveUpstream:
        weigh = self._limits.principals.weight
        made = LiveUpstream(name, settings, limits, files, emit=self._emit, weigh=weigh)
        made.answers.restore(self._answers.get(name, {}))
        made.answers.changed = self._keep_answers
        balancer = made.balancer
        balancer.parking.count_writes = lambda: self.plane.count_writes(balancer)
        return made

    def _decider(self, config: Config) -> Decider:
        return self._builder.build(config, self._upstreams, self._control)


async def _endpoints_known(upstreams: Iterable[LiveUpstream]) -> None:
    """Wait a moment for the first report of discovery for each."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_RESPONSE_SECONDS):
            for upstream in upstreams:
                await upstream.finder.known()
