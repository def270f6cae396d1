"""Builds a running gate from a ``Config``: the only place that knows every concrete class."""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from headgate.auth import Anonymous, Authenticate, Authenticator, Refresher
from headgate.config import AuthMode, Config, Upstream
from headgate.dataplane.plane import Plane
from headgate.dataplane.pool import Pool
from headgate.discovery import static
from headgate.errors import HeadgateError
from headgate.model import Outcome
from headgate.server.pipeline import Pipeline
from headgate.server.worker import Worker
from headgate.stores import KeyStore
from headgate.telemetry.access_log import AccessLog

log = logging.getLogger("headgate")

Companion = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the gate listens now."""

    host: str
    port: int


def serve(config: Config, announce: Callable[[Listening], None]) -> int:
    """Run a gate until SIGINT or SIGTERM, then let running requests finish.

    ``announce`` is called once, when requests are accepted.  Returns the exit code.

    Raises:
        HeadgateError: the gate cannot start.
    """
    access_log = AccessLog(sys.stdout.buffer) if config.log.access else None
    try:
        uvloop.run(_run(config, announce, access_log))
    finally:
        if access_log is not None:
            access_log.close()
    return 0


async def _run(
    config: Config, announce: Callable[[Listening], None], access_log: AccessLog | None
) -> None:
    with contextlib.ExitStack() as stack:
        authenticate, companions = _authentication(config, stack)
        await _run_worker(config, announce, access_log, authenticate, companions)


async def _run_worker(
    config: Config,
    announce: Callable[[Listening], None],
    access_log: AccessLog | None,
    authenticate: Authenticate,
    companions: Sequence[Companion],
) -> None:
    pools = {name: _pool(config, settings) for name, settings in config.upstreams.items()}
    pipeline = Pipeline(
        authenticate,
        {
            prefix: pools[name]
            for name, settings in config.upstreams.items()
            for prefix in settings.prefixes
        },
        clock=time.time,
        account=access_log.write if access_log is not None else _no_account,
    )
    plane = Plane(pipeline, config.limits, time.monotonic, secrets.token_hex(8))
    worker = Worker(
        config.listen,
        plane,
        tuple(pools.values()),
        tick=access_log.flush if access_log is not None else _no_tick,
        companions=companions,
    )
    await worker.run(lambda host, port: announce(Listening(host, port)))


def _pool(config: Config, settings: Upstream) -> Pool:
    endpoint = static.endpoint_of(settings)
    host = static.host_header(settings, endpoint)
    return Pool(
        endpoint,
        settings,
        host_header=host.encode("ascii"),
        authorities=static.authorities_of(endpoint, host),
        head_bytes=config.limits.head_bytes,
        max_fields=config.limits.headers,
        clock=time.monotonic,
    )


def _authentication(
    config: Config, stack: contextlib.ExitStack
) -> tuple[Authenticate, Sequence[Companion]]:
    if config.auth.mode is AuthMode.NONE:
        return Anonymous(), ()
    authenticator = Authenticator()
    refresher = Refresher(
        stack.enter_context(KeyStore(config.key_database)),
        authenticator.install,
        interval=config.auth.refresh_interval,
        clock=time.time,
        report=_report_key_store,
    )
    refresher.load()
    return authenticator, (refresher.run,)


def _report_key_store(error: HeadgateError | None) -> None:
    if error is None:
        log.info("the key store can be read again")
    else:
        log.error("the key store cannot be read; keys stay as they were: %s", error)


def _no_account(_outcome: Outcome) -> None:
    """Requests are not logged."""


def _no_tick() -> None:
    """Nothing is due."""
