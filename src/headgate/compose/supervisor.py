"""Binds the port and runs the workers under a supervisor."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate import __version__
from headgate.compose.source import ConfigSource
from headgate.compose.worker import run_worker
from headgate.config import Config
from headgate.runtime import descriptors, listener
from headgate.runtime.link import Link
from headgate.runtime.supervisor import Supervisor
from headgate.telemetry import event_log
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
            run_worker(config, source, counters, folder, own, link)
        finally:
            listener.end(own)  # no client may wait there for a worker that may not come

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
    """A folder in which workers share results; where none can be made, each is by itself."""
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
