"""How long single turns of a gate's event loop take, by the CPU time of its thread.

The gate runs in a thread of the test's process on asyncio's own loop, whose turns can be measured;
what a turn computes does not depend on the loop.  CPU time does not count what other processes do.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager

from headgate.auth.chain import AuthenticatorChain
from headgate.config import Config
from headgate.config.files import Files
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.connections.dial import dial_tcp
from headgate.decide.builder import PipelineBuilder
from headgate.events import discard
from headgate.runtime.gate import LiveGate
from headgate.telemetry.counters import Counters
from headgate.telemetry.outcome_sinks import OutcomeSinks
from tests.support.raw import RawClient

START_SECONDS = 60.0


class MeasuredGate:
    """A running gate; ``turns`` are the CPU seconds of each turn since the last ``forget``."""

    def __init__(self) -> None:
        self.turns: list[float] = []
        self.port = 0
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def connect(self) -> RawClient:
        """A new connection to it."""
        return RawClient("127.0.0.1", self.port)

    def forget(self) -> None:
        """Begin to measure anew."""
        self.turns.clear()

    @property
    def worst(self) -> float:
        """CPU seconds of the longest turn."""
        return max(self.turns, default=0.0)

    async def _serve(self, config: Config, chain: AuthenticatorChain) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        row = Counters(1).row(0)
        gate = LiveGate(
            config,
            PipelineBuilder(chain, discard),
            dial_tcp,
            account=OutcomeSinks(row, None, discard).account,
            emit=discard,
            row=row,
            access_log=None,
            tls=None,
            files=Files(),
            keep=lambda _: None,
        )
        await gate.prepare()
        server = await self._loop.create_server(
            lambda: ClientConnection(gate.plane), "127.0.0.1", 0
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        gate.plane.abort()
        gate.close()

    def _run(self, config: Config, chain: AuthenticatorChain) -> None:
        self._thread = threading.get_ident()
        asyncio.run(self._serve(config, chain))

    def _take(self, seconds: float) -> None:
        if threading.get_ident() == self._thread:
            self.turns.append(seconds)


@contextmanager
def measured_gate(config: Config, chain: AuthenticatorChain) -> Iterator[MeasuredGate]:
    """Run a gate until the block ends, and measure each turn of its loop."""
    gate = MeasuredGate()
    original = events.Handle._run

    def measured(handle: events.Handle) -> None:
        begun = time.thread_time()
        original(handle)
        gate._take(time.thread_time() - begun)

    events.Handle._run = measured  # type: ignore[assignment, method-assign]
    thread = threading.Thread(target=gate._run, args=(config, chain))
    gc.collect()
    gc.freeze()  # a gate has not what tests have, and does not look through it
    try:
        thread.start()
        assert gate._ready.wait(START_SECONDS)
        yield gate
    finally:
        if gate._loop is not None and gate._stop is not None:
            gate._loop.call_soon_threadsafe(gate._stop.set)
        thread.join()
        gc.unfreeze()
        events.Handle._run = original  # type: ignore[method-assign]
