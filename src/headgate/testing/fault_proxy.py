"""A TCP proxy that misbehaves on command, to stand between the gate and a server.

Runs in a thread of its own, so that a test can change its fault at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from headgate.testing.request_log import Passing, RequestLog

READ = 64 * 1024


class Fault(enum.Enum):
    """What is done to connections."""

    NONE = "none"
    REFUSE = "refuse"
    """New connections are refused: nothing listens."""
    BLACKHOLE = "blackhole"
    """Connections are taken and nothing is ever passed on, in either direction."""
    RESET = "reset"
    """Connections are cut as soon as they are taken, those that are open at once."""
    RESET_AFTER = "reset after"
    """A connection is cut once ``bytes_until_reset`` of a response have passed."""
    HALF_CLOSE = "half-close"
    """The server's side is closed once a request has passed: no response comes."""
    LEAVE = "leave"
    """New connections are refused, and those that are open end with the response under way, if any:
    as uvicorn ends on SIGTERM."""


@dataclass
class _Settings:
    fault: Fault = Fault.NONE
    delay: float = 0.0
    bytes_per_second: float = 0.0
    bytes_until_reset: int = 0


class FaultProxy:
    """Listens on ``host`` and passes everything on to ``target`` until told otherwise.

    ``delay`` (seconds) is added before each piece of a response, ``bytes_per_second`` bounds them;
    0 for neither.  What is passed on is noted in ``requests``, which several may share.
    """

    def __init__(
        self, host: str, port: int, target: tuple[str, int], requests: RequestLog | None = None
    ) -> None:
        self.host = host
        self.port = port
        self.target = target
        self.requests = RequestLog() if requests is None else requests
        self._settings = _Settings()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, Passing] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(
        self,
        fault: Fault = Fault.NONE,
        *,
        delay: float = 0.0,
        bytes_per_second: float = 0.0,
        bytes_until_reset: int = 0,
    ) -> None:
        """Misbehave like this from now on; a fault replaces the one before."""
        settings = _Settings(fault, delay, bytes_per_second, bytes_until_reset)
        self._call(self._change(settings))

    def _call(self, work: object) -> None:
        assert asyncio.iscoroutine(work)  # noqa: S101 - a double's own mistake
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _change(self, settings: _Settings) -> None:
        self._settings = settings
        if settings.fault in (Fault.REFUSE, Fault.LEAVE):
            await self._close_listener()
        elif self._server is None:
            await self._listen()
        if settings.fault in (Fault.RESET, Fault.REFUSE):
            self._cut_all()
        if settings.fault is Fault.LEAVE:
            for writer, passing in tuple(self._open.items()):
                if passing.idle:
                    writer.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close_listener(self) -> None:
        # What asyncio is about to accept is a task of its own until `_accepted` knows of it; a
        # listener that closes before that leaves the connection open (Server._attach, 3.11).
        while accepting := asyncio.all_tasks() - self._tasks - {asyncio.current_task()}:
            await asyncio.wait(accepting)
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _end(self) -> None:
        await self._close_listener()
        self._cut_all()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut_all(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._settings.fault is Fault.RESET:
            writer.transport.abort()
            return
        self._open[writer] = Passing(self.requests)
        self._start(self._serve(reader, writer))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run it until ``_end`` cancels it."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio's streams log a task that was cancelled, as `_end` does, as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await self._pass(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = self._open[writer]
        try:
            if self._settings.fault is Fault.BLACKHOLE:
                await asyncio.Event().wait()
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            self._open.pop(writer)
            return
        self._open[up_writer] = passing
        try:
            await asyncio.gather(
                self._start(self._pump(reader, up_writer, passing, responses=False)),
                self._start(self._pump(up_reader, writer, passing, responses=True)),
            )
        except OSError:
            writer.transport.abort()
        finally:
            for each in (writer, up_writer):
                self._open.pop(each)
                each.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        passing: Passing,
        *,
        responses: bool,
    ) -> None:
        passed = 0
        note = passing.answered if responses else passing.asked
        while data := await reader.read(READ):
            settings = self._settings
            if settings.fault is Fault.BLACKHOLE:
                await asyncio.Event().wait()
            if responses:
                if settings.delay:
                    await asyncio.sleep(settings.delay)
                if settings.bytes_per_second:
                    await asyncio.sleep(len(data) / settings.bytes_per_second)
                if settings.fault is Fault.HALF_CLOSE:
                    break
                if settings.fault is Fault.RESET_AFTER:
                    left = settings.bytes_until_reset - passed
                    writer.write(data[: max(0, left)])
                    await writer.drain()
                    if len(data) >= left:
                        writer.transport.abort()
                        return
                    passed += len(data)
                    continue
            note(data)
            writer.write(data)
            await writer.drain()
            if settings.fault is Fault.LEAVE and passing.idle:
                writer.close()
                return
        if self._settings.fault is Fault.BLACKHOLE:  # an end is swallowed too
            await asyncio.Event().wait()
        with contextlib.suppress(OSError):
            writer.write_eof()
