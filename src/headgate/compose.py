"""Builds a running gate from a ``Config``: the only place that knows every concrete class."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvloop

from headgate import __version__
from headgate.auth import Anonymous, Authenticate, Authenticator, Refresher
from headgate.config import AuthMode, Config
from headgate.config.files import Files
from headgate.contract.diagnosis import Reply
from headgate.contract.use import Ask
from headgate.control.app import ControlFacts, control_app
from headgate.control.checks import Checks
from headgate.control.exposition import exposition
from headgate.control.serving import ControlServer
from headgate.control.shared_results import SharedResults
from headgate.dataplane.call import CallError
from headgate.dataplane.connections.dial import pair_dial
from headgate.decide.builder import PipelineBuilder
from headgate.errors import HeadgateError
from headgate.policy import HAD_CALLS, LLM_USER, Roles
from headgate.runtime import descriptors, listener
from headgate.runtime.certificates import tell_daily
from headgate.runtime.gate import LiveGate
from headgate.runtime.handover import Handover
from headgate.runtime.heartbeat import Heartbeat
from headgate.runtime.link import Link
from headgate.runtime.reload import Reloader
from headgate.runtime.supervisor import Supervisor
from headgate.runtime.tls import ListenerTls
from headgate.runtime.worker import Companion, Worker
from headgate.stores import ROLES_EDITION, KeyState, KeyStore, LateKeyStore
from headgate.telemetry import event_log
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.outcome_sinks import OutcomeSinks
from headgate.upstreams.live import LiveUpstream
from headgate.upstreams.remedies import ask_error

log = logging.getLogger("headgate")

CLOSING_SECONDS = 15.0
"""More than a worker needs, once its requests are over, to write its logs and end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the gate listens now."""

    host: str
    port: int
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where the configuration came from, to be read again while the gate runs.

    ``read`` raises ``ConfigError`` for one with problems; ``file`` is watched for changes.
    """

    read: Callable[[], Config]
    file: Path | None = None


def serve(
    config: Config, announce: Callable[[Listening], None], source: ConfigSource | None = None
) -> int:
    """Run a gate until SIGINT or SIGTERM, then let running requests finish.

    ``announce`` is called once, when requests are accepted.  Returns the exit code.

    Raises:
        HeadgateError: the gate cannot start.
    """
    descriptors.make_room(config.limits)
    with _shared_folder() as folder:
        _serve(config, announce, source, folder)
    return 0


def _serve(
    config: Config,
    announce: Callable[[Listening], None],
    source: ConfigSource | None,
    folder: Path | None,
) -> None:
    listen = config.listen
    sockets = listener.bind(listen)
    counters = Counters(listen.workers)
    event_log.count_losses(counters.supervisor_row())
    host, port = sockets[0].getsockname()[:2]
    scheme = "http" if listen.tls is None else "https"

    def announce_all() -> None:
        announce(Listening(host, port, scheme))
        log.info(
            "Headgate %s serves on %s port %d with %d worker(s)",
            *(__version__, host, port, listen.workers),
            extra=event_log.fields(
                "started", version=__version__, host=host, port=port, workers=listen.workers
            ),
        )

    def prepare(number: int) -> None:
        sockets[number] = listener.renewed(sockets[number], listen)

    def body(link: Link) -> None:
        own = sockets[link.number]
        for other in sockets:
            if other is not own:
                other.close()
        faulthandler.enable(link.output)
        event_log.divert(link.output)
        event_log.count_losses(counters.row(link.number))
        try:
            _run_worker(config, source, counters, folder, own, link)
        finally:
            listener.end(own)  # nobody is to wait there for a worker that may not come

    try:
        Supervisor(
            listen.workers,
            body,
            prepare,
            listen.lame_duck + listen.drain_timeout + CLOSING_SECONDS,
            counters,
            stuck_after=listen.worker_timeout,
            reloads=source is not None,
        ).run(announce_all)
        log.info("the gate has stopped", extra=event_log.fields("stopped"))
    finally:
        for each in sockets:
            each.close()


@contextlib.contextmanager
def _shared_folder() -> Iterator[Path | None]:
    """A folder for what workers tell each other; where none can be made, each is by itself."""
    try:
        folder = tempfile.mkdtemp(prefix="headgate-")
    except OSError as error:
        log.info("no temporary folder, so workers share no checks: %s", error.strerror or error)
        yield None
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_worker(
    config: Config,
    source: ConfigSource | None,
    counters: Counters,
    folder: Path | None,
    listening: socket.socket,
    link: Link,
) -> None:
    with contextlib.ExitStack() as stack:
        estate = Handover(link)
        authenticate, refresher = _authentication(config, stack, link, estate)
        access_log = _access_log(config, counters.row(link.number), stack)
        outcome_sinks = OutcomeSinks(counters.row(link.number), access_log)

        def make(settings: Config, files: Files, *, fresh: bool) -> _Made:
            tls = None
            if settings.listen.tls is not None:
                tls = ListenerTls(settings.listen.tls, files, fresh=fresh)
            gate = LiveGate(
                settings,
                PipelineBuilder(authenticate, outcome_sinks.account),
                pair_dial(lambda: control.accept()),  # noqa: PLW0108 - it is made later
                row=counters.row(link.number),
                access_log=access_log,
                tls=tls,
                files=files,
                keep=estate.leave,
            )
            return _Made(settings, gate, tls)

        made = _last_good(config, link, estate, make)
        gate, plane = made.gate, made.gate.plane
        if refresher is not None:
            refresher.regrant(Roles(made.config.roles))

        def apply(new: Config) -> None:
            gate.apply(new)
            descriptors.make_room(new.limits)
            if refresher is not None:
                refresher.regrant(Roles(new.roles))

        reloader = None
        if source is not None:
            current = made.config if link.replaces else None
            reloader = Reloader(config, source.read, apply, source.file, current)
            gate.follow(reloader)
        # Where there is but one worker it has nobody to share with.
        is_shared = config.listen.workers > 1 and folder is not None
        board = SharedResults(folder) if is_shared and folder is not None else None
        checks = _AllChecks(gate, board)
        control = ControlServer(
            control_app(
                ControlFacts(
                    draining=lambda: plane.draining,
                    metrics=lambda: exposition(counters),
                    snapshots=gate.snapshots,
                    checks=checks,
                    version=__version__,
                    keys=None if refresher is None else refresher.status,
                    configuration=None if reloader is None else reloader.status,
                    certificates=lambda: _shown_certificates(gate),
                    worker=link.number,
                    workers=config.listen.workers,
                )
            )
        )
        companions: list[Companion] = [control.serve, checks.settle]
        if refresher is not None:
            companions.append(refresher.run)
        if link.number == 0:  # one worker is enough to tell
            companions.append(lambda: tell_daily(lambda: gate.certificates))
        heart = Heartbeat(link.beat, link.rest, link.output, config.listen.worker_timeout)
        worker = Worker(
            config.listen,
            plane,
            gate,
            tls=made.tls.context if made.tls is not None else None,
            companions=companions,
            reloads=source is not None,
            heart=heart.run,
        )
        gate.keep()
        uvloop.run(worker.run(listening, link.ready, link.lifeline))
        if worker.orphaned and folder is not None:  # the supervisor can no longer do it
            shutil.rmtree(folder, ignore_errors=True)


def _shown_certificates(gate: LiveGate) -> list[dict[str, object]]:
    """How long the certificates in force hold, for the health page."""
    now = time.time()
    return [
        {
            "setting": each.setting,
            "file": each.file,
            "ends": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.ends)),
            "days_left": round(each.days_left(now), 1),
        }
        for each in gate.certificates
    ]


@dataclass(frozen=True, slots=True)
class _Made:
    """A gate, what it was made from, and the certificates of its listener."""

    config: Config
    gate: LiveGate
    tls: ListenerTls | None


class _Make(Protocol):
    """Makes a gate; ``fresh`` says that ``files`` are those on disk."""

    def __call__(self, settings: Config, files: Files, *, fresh: bool) -> _Made: ...


def _last_good(started: Config, link: Link, estate: Handover, make: _Make) -> _Made:
    """A gate as the configuration has it; a worker that replaces another, as it was in force last.

    What is on disk then may be unfit, or only half written; it is looked at once it serves.

    Raises:
        HeadgateError: what is on disk is not fit.
    """
    left = estate.in_force() if link.replaces else None
    if left is None:
        return make(started, Files(), fresh=True)
    return make(left.config, Files(left.files), fresh=False)


class _AllChecks:
    """The checks of each upstream in force; one that a reload adds or changes gets new ones."""

    def __init__(self, gate: LiveGate, board: SharedResults | None) -> None:
        self._gate = gate
        self._board = board
        self._made: dict[LiveUpstream, Checks] = {}

    def __call__(self) -> dict[str, Checks]:
        known = self._made
        self._made = {each: known.get(each) or self._new(each) for each in self._gate.upstreams}
        return {each.name: checks for each, checks in self._made.items()}

    def _new(self, upstream: LiveUpstream) -> Checks:
        return Checks(asker(upstream), board=self._board, name=upstream.configured)

    async def settle(self) -> None:
        """Wait for ever; whoever is told to stop lets running checks end first."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.gather(*(checks.settle() for checks in self._made.values()))


def asker(upstream: LiveUpstream) -> Ask:
    """How the checks of its APIs reach an upstream."""

    async def ask(method: str, target: str, body: bytes) -> Reply:
        try:
            return await upstream.ask(method, target, body)
        except CallError as error:
            raise ask_error(error) from None

    return ask


def _access_log(
    config: Config, losses: CounterRow, stack: contextlib.ExitStack
) -> AccessLog | None:
    if not config.log.access:
        return None
    access_log = AccessLog(sys.stdout.fileno(), losses=losses)
    stack.callback(access_log.close)
    return access_log


def _authentication(
    config: Config, stack: contextlib.ExitStack, link: Link, estate: Handover
) -> tuple[Authenticate, Refresher | None]:
    if config.auth.mode is AuthMode.NONE:
        return Anonymous(), None
    authenticator = Authenticator()
    if link.replaces:
        # An empty store in the place of one that is gone would lock everybody out.
        source: KeyStore | LateKeyStore = LateKeyStore(config.key_database)
    else:
        source = KeyStore(config.key_database)
    stack.callback(source.close)
    refresher = Refresher(
        source,
        authenticator.install,
        interval=config.auth.refresh_interval,
        clock=time.time,
        report=_report_key_store,
        roles=Roles(config.roles),
        keep=estate.leave_keys,
        kept=estate.keys() if link.replaces else None,
    )
    refresher.load()
    if isinstance(source, KeyStore) and link.number == 0:  # one worker is enough to tell
        _tell_of_lost_calls(source, Roles(config.roles))
    return authenticator, refresher


def _tell_of_lost_calls(store: KeyStore, roles: Roles) -> None:
    """Name the keys made when the role writer could still ask models, which costs money."""
    now = time.time()
    names = [
        record.name
        for record in store.records()
        if record.roles_edition < ROLES_EDITION
        and record.state(now) is KeyState.ACTIVE
        and roles.lost_calls(record.roles)
    ]
    if names:
        log.warning(
            "the role %s does not allow calls of models through MLflow's AI gateway any longer, "
            "since they cost money; these keys could make them before: %s. Give the role %s to "
            "those that are to go on: headgate keys set-roles NAME --role %s --role %s. A key "
            "whose roles are set, to whatever, is not named again",
            *(HAD_CALLS, ", ".join(f"'{name}'" for name in names), LLM_USER, HAD_CALLS, LLM_USER),
            extra={"fields": {"event": "roles_changed", "keys": names}},
        )


def _report_key_store(error: HeadgateError | None) -> None:
    if error is None:
        log.info("the key store can be read again")
    else:
        log.error("the key store cannot be read; keys stay as they were: %s", error)
