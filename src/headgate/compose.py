"""Builds a running gate from a ``Config``: the only place that knows every concrete class."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from headgate import __version__
from headgate.auth import Anonymous, Authenticate, Authenticator, Refresher
from headgate.config import AuthMode, Config
from headgate.contract.diagnosis import Reply
from headgate.contract.use import Ask
from headgate.control.app import ControlFacts, control_app
from headgate.control.board import Board
from headgate.control.checks import Checks
from headgate.control.exposition import exposition
from headgate.control.serving import ControlSocket
from headgate.dataplane.call import CallError
from headgate.errors import HeadgateError
from headgate.policy import HAD_CALLS, LLM_USER, Roles
from headgate.server import descriptors, listener
from headgate.server.cures import ask_error
from headgate.server.live import LiveGate
from headgate.server.reload import Reloader, as_far_as_possible
from headgate.server.supervisor import Supervisor
from headgate.server.tls import ListenerTls
from headgate.server.upstreams import LiveUpstream
from headgate.server.worker import Companion, Worker
from headgate.stores import ROLES_EDITION, KeyState, KeyStore
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters

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
    with _folder_of_sockets() as folder:
        _serve(config, announce, source, Path(folder))
    return 0


def _serve(
    config: Config,
    announce: Callable[[Listening], None],
    source: ConfigSource | None,
    folder: Path,
) -> None:
    sockets = listener.bind(config.listen)
    counters = Counters(config.listen.workers)
    host, port = sockets[0].getsockname()[:2]
    scheme = "http" if config.listen.tls is None else "https"

    def announce_all() -> None:
        announce(Listening(host, port, scheme))

    replaced: set[int] = set()

    def prepare(number: int) -> None:
        replaced.add(number)
        sockets[number] = listener.renewed(sockets[number], config.listen)

    def body(number: int, ready: Callable[[], None], lifeline: int | None = None) -> None:
        own = sockets[number]
        for other in sockets:
            if other is not own:
                other.close()
        try:
            settings = config
            if source is not None and number in replaced:
                settings = as_far_as_possible(config, source.read())
            control = folder / f"{number}.sock"
            _run_worker(settings, source, counters, number, control, own, ready, lifeline)
        finally:
            listener.end(own)  # nobody is to wait there for a worker that may not come

    try:
        if config.listen.workers == 1:
            body(0, announce_all)
        else:
            patience = config.listen.lame_duck + config.listen.drain_timeout + CLOSING_SECONDS
            Supervisor(config.listen.workers, body, prepare, patience).run(announce_all)
    finally:
        for each in sockets:
            each.close()


def _folder_of_sockets() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="headgate-")
    except OSError as error:
        raise HeadgateError(
            f"no folder for sockets can be made ({error.strerror or error}); let TMPDIR name a "
            "folder that this user can write to"
        ) from error


def _run_worker(
    config: Config,
    source: ConfigSource | None,
    counters: Counters,
    number: int,
    control_path: Path,
    listening: socket.socket,
    ready: Callable[[], None],
    lifeline: int | None,
) -> None:
    with contextlib.ExitStack() as stack:
        tls = ListenerTls(config.listen.tls) if config.listen.tls is not None else None
        authenticate, refresher = _authentication(config, number, stack)
        control = stack.enter_context(ControlSocket(control_path))
        gate = LiveGate(
            config,
            authenticate,
            control.path,
            row=counters.row(number),
            access_log=_access_log(config, stack),
            tls=tls,
        )

        def apply(new: Config) -> None:
            gate.apply(new)
            descriptors.make_room(new.limits)
            if refresher is not None:
                refresher.regrant(Roles(new.roles))

        if source is not None:
            gate.follow(Reloader(config, source.read, apply, source.file))
        plane = gate.plane
        # Where there is but one worker it has nobody to share with.
        board = Board(control_path.parent) if config.listen.workers > 1 else None
        checks = _AllChecks(gate, board)
        app = control_app(
            ControlFacts(
                draining=lambda: plane.draining,
                metrics=lambda: exposition(counters),
                snapshots=gate.snapshots,
                checks=checks,
                version=__version__,
                keys=None if refresher is None else refresher.status,
                worker=number,
                workers=config.listen.workers,
            )
        )
        companions: list[Companion] = [lambda: control.serve(app), checks.settle]
        if refresher is not None:
            companions.append(refresher.run)
        worker = Worker(
            config.listen,
            plane,
            gate,
            tls=tls.context if tls is not None else None,
            companions=companions,
            reloads=source is not None,
        )
        uvloop.run(worker.run(listening, ready, lifeline))


class _AllChecks:
    """The checks of each upstream in force; one that a reload adds or changes gets new ones."""

    def __init__(self, gate: LiveGate, board: Board | None) -> None:
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


def _access_log(config: Config, stack: contextlib.ExitStack) -> AccessLog | None:
    if not config.log.access:
        return None
    access_log = AccessLog(sys.stdout.fileno())
    stack.callback(_close, access_log)
    return access_log


def _close(access_log: AccessLog) -> None:
    if lost := access_log.close():
        log.warning("%d lines of the access log were lost: nobody read standard output", lost)


def _authentication(
    config: Config, number: int, stack: contextlib.ExitStack
) -> tuple[Authenticate, Refresher | None]:
    if config.auth.mode is AuthMode.NONE:
        return Anonymous(), None
    authenticator = Authenticator()
    store = stack.enter_context(KeyStore(config.key_database))
    refresher = Refresher(
        store,
        authenticator.install,
        interval=config.auth.refresh_interval,
        clock=time.time,
        report=_report_key_store,
        roles=Roles(config.roles),
    )
    refresher.load()
    if number == 0:  # one worker is enough to tell
        _tell_of_lost_calls(store, Roles(config.roles))
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
