"""One gate process: its listener, its periodic work, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from headgate.config import Listen
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.plane import Plane
from headgate.dataplane.pool import Pool
from headgate.errors import HeadgateError

log = logging.getLogger("headgate.server")

SWEEP_SECONDS = 0.5
DRAIN_SECONDS = 30.0


class Worker:
    """Runs a ``Plane`` until it is told to stop.

    Args:
        listen: the address to listen on.
        plane: the data plane.
        pools: the connections to MLflow.
        tick: called twice a second, besides the data plane's own sweeps.
        companions: endless coroutines to run beside, such as the one that follows the key store.
    """

    def __init__(
        self,
        listen: Listen,
        plane: Plane,
        pools: Sequence[Pool],
        *,
        tick: Callable[[], None],
        companions: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._listen = listen
        self._plane = plane
        self._pools = pools
        self._tick = tick
        self._companions = companions
        self._stop = asyncio.Event()

    async def run(self, announce: Callable[[str, int], None]) -> None:
        """Serve until ``stop`` or a signal; ``announce`` is told the address once it listens.

        Raises:
            HeadgateError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        server = await self._open(loop)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        helpers = [loop.create_task(self._sweep(), name="sweep")]
        helpers += [loop.create_task(make(), name=make.__qualname__) for make in self._companions]
        try:
            host, port = server.sockets[0].getsockname()[:2]
            announce(host, port)
            await self._until_stopped(helpers)
            server.close()
            await self._drain()
        finally:
            self._plane.abort()
            for pool in self._pools:
                pool.close()
            await _cancel(helpers)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Stop accepting, let running requests finish, then return from ``run``.

        A second call cuts them off.
        """
        if self._stop.is_set():
            self._plane.abort()
        self._stop.set()

    async def _open(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        listen = self._listen
        try:
            return await loop.create_server(
                lambda: ClientConnection(self._plane),
                listen.host,
                listen.port,
                backlog=listen.backlog,
            )
        except OSError as error:
            where = f"{listen.host}:{listen.port}"
            if error.errno == errno.EADDRINUSE:
                raise HeadgateError(
                    f"{where} is taken; stop what listens there, or choose another port"
                ) from error
            cause = error.strerror or str(error)
            raise HeadgateError(f"cannot listen on {where}: {cause}") from error

    async def _until_stopped(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        """Wait for ``stop``; a helper that ends before is a defect and ends the gate."""
        stopped = asyncio.ensure_future(self._stop.wait())
        done, _ = await asyncio.wait((stopped, *helpers), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done:
            if task is not stopped:
                task.result()
                raise RuntimeError(f"{task.get_name()} ended")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._plane.sweep()
            for pool in self._pools:
                pool.sweep()
            self._tick()

    async def _drain(self) -> None:
        """Wait for the requests under way, but not for ever."""
        self._plane.drain()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._plane.emptied.wait()
        except TimeoutError:
            log.warning("%d requests were cut off by the stop", len(self._plane.connections))


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
