"""Binds the port and runs the workers under a supervisor."""

from __future__ import annotations

import contextlib
import faulthandler
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate import __version__
from headgate.compose.events import event_bus
from headgate.compose.shared_memory import shared_buckets
from headgate.compose.source import ConfigSource
from headgate.compose.worker import run_worker
from headgate.config import AuthMode, Config
from headgate.events import ChecksNotShared, Emit, GateStarted, GateStopped
from headgate.limits import SharedBuckets
from headgate.runtime import descriptors, listener
from headgate.runtime.link import Link
from headgate.runtime.supervisor import Supervisor
from headgate.stores import import_identity_store
from headgate.telemetry import event_log
from headgate.telemetry.counters import Counters

CLOSING_SECONDS = 15.0
"""More than a worker needs, once its requests are over, to write its logs and end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the gate listens now."""

    host: str
    port: int
    scheme: str = "http"


def serve(
    config: Config, announce: Callable[[Listening], None], source: ConfigSource | None = None
) -> int:
    """Run a gate until SIGINT or SIGTERM, then let running requests finish.

    ``announce`` is called once, when requests are accepted.  Returns the exit code.

    Raises:
        HeadgateError: the gate cannot start.
    """
    counters = Counters(config.listen.workers)
    shared = shared_buckets()
    emit = event_bus(counters.supervisor_row()).emit
    descriptors.raise_limit(config.limits, emit)
    with _shared_folder(emit) as folder:
        _serve(config, announce, source, folder, counters, shared, emit)
    return 0


def _serve(
    config: Config,
    announce: Callable[[Listening], None],
    source: ConfigSource | None,
    folder: Path | None,
    counters: Counters,
    shared: SharedBuckets,
    emit: Emit,
) -> None:
    listen = config.listen
    sockets = listener.bind(listen)
    event_log.count_losses(counters.supervisor_row())
    host, port = sockets[0].getsockname()[:2]
    scheme = "http" if listen.tls is None else "https"

    def announce_all() -> None:
        announce(Listening(host, port, scheme))
        emit(GateStarted(__version__, host, port, listen.workers))

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
            run_worker(config, source, counters, shared, folder, own, link)
        finally:
            listener.end(own)  # no client may wait there for a worker that may not come

    if config.auth.mode is AuthMode.KEYS:
        import_identity_store(config)
    try:
        Supervisor(
            listen.workers,
            body,
            prepare,
            listen.lame_duck + listen.drain_timeout + CLOSING_SECONDS,
            counters,
            emit,
            stuck_after=listen.worker_timeout,
            reloads=source is not None,
        ).run(announce_all)
        emit(GateStopped())
    finally:
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
