"""One worker: the signals it takes, in which order it ends, and what ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import struct
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from headgate.config import Limits, Listen
from headgate.dataplane.plane import DataPlane
from headgate.errors import HeadgateError
from headgate.events import (
    Drained,
    Draining,
    Event,
    HandshakeFailure,
    Level,
    SupervisorGone,
    discard,
)
from headgate.runtime import listener, worker
from headgate.runtime.worker import Companion, HandOver, Worker
from headgate.testing.clock import ManualClock
from headgate.testing.dialogue import Dialogue

ALONE = HandOver()
WAIT = 60.0  # seconds; only a failing test waits that long


class Upkeep:
    """Remembers the calls."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ticked = asyncio.Event()
        self.reloaded = asyncio.Event()

    async def prepare(self) -> None:
        self.told.append("prepare")

    def tick(self) -> None:
        self.ticked.set()

    def reload(self) -> None:
        self.told.append("reload")
        self.reloaded.set()

    def handshake_failed(self, cause: HandshakeFailure) -> None:
        self.told.append(cause)

    def close(self) -> None:
        self.told.append("close")


class Running:
    """A worker that runs in the test's own loop."""

    def __init__(
        self,
        listening: socket.socket,
        settings: Listen,
        companions: tuple[Companion, ...] = (),
        *,
        reloads: bool = True,
        hand_over: HandOver = ALONE,
    ) -> None:
        self.listening = listening
        self.upkeep = Upkeep()
        dialogue = Dialogue()
        self.events: list[Event] = []
        self.plane = DataPlane(
            dialogue.decider,
            Limits(),
            ManualClock(),
            "0123456789abcdef",
            account=dialogue.accounted.append,
            emit=discard,
        )
        self.worker = Worker(
            settings,
            self.plane,
            self.upkeep,
            self.events.append,
            companions=companions,
            reloads=reloads,
            hand_over=hand_over,
        )
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, lifeline: int | None = None) -> None:
        self._task = asyncio.get_running_loop().create_task(
            self.worker.run((self.listening,), self._became_ready, lifeline)
        )
        async with asyncio.timeout(WAIT):
            await self._ready.wait()

    async def end(self) -> None:
        assert self._task is not None
        async with asyncio.timeout(WAIT):
            await self._task

    @property
    def ended(self) -> bool:
        return self._task is not None and self._task.done()

    def _became_ready(self) -> None:
        self.upkeep.told.append("ready")
        self._ready.set()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    (made,) = listener.bind(Listen(port=0))
    with made:
        yield made


def run(scene: Coroutine[Any, Any, None]) -> None:
    """In the loop that asyncio itself has: it tells of what is left behind."""
    asyncio.run(scene)


QUICK = Listen(port=0, lame_duck=0, drain_timeout=0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals, listening: socket.socket) -> None:
    async def scene() -> None:
        running = Running(listening, QUICK)
        await running.start()
        os.kill(os.getpid(), number)
        await running.end()
        assert running.upkeep.told == ["prepare", "ready", "close"]
        assert running.plane.draining

    run(scene())


def test_its_signals_are_given_back(listening: socket.socket) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]

    async def scene() -> None:
        running = Running(listening, QUICK)
        await running.start()
        running.worker.stop()
        await running.end()

    run(scene())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_sighup_reloads(listening: socket.socket) -> None:
    async def scene() -> None:
        running = Running(listening, QUICK)
        await running.start()
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(WAIT):
            await running.upkeep.reloaded.wait()
        assert not running.ended
        running.worker.stop()
        await running.end()

    run(scene())


def test_where_there_is_nothing_to_reload_sighup_means_that_the_terminal_is_gone(
    listening: socket.socket,
) -> None:
    async def scene() -> None:
        running = Running(listening, Listen(port=0, lame_duck=60), reloads=False)
        await running.start()
        os.kill(os.getpid(), signal.SIGHUP)
        await running.end()
        assert "reload" not in running.upkeep.told

    run(scene())


def test_upkeep_goes_on_while_it_drains(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.01)

    async def scene() -> None:
        running = Running(listening, Listen(port=0, lame_duck=60))
        await running.start()
        running.worker.stop(lame_duck=60)
        running.upkeep.ticked.clear()
        async with asyncio.timeout(WAIT):
            await running.upkeep.ticked.wait()
        running.worker.stop()
        await running.end()

    run(scene())


def test_in_the_lame_duck_time_it_still_listens_and_a_second_stop_ends_it(
    listening: socket.socket,
) -> None:
    async def scene() -> None:
        running = Running(listening, Listen(port=0, lame_duck=60))
        await running.start()
        with listening.dup() as same:
            running.worker.stop(lame_duck=60)
            await asyncio.sleep(0)
            assert running.plane.draining
            assert same.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            running.worker.stop()
            await running.end()
            assert not same.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    run(scene())


def test_a_gate_that_takes_over_ends_the_lame_duck_time(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sockets are the next gate's then, and are not shut down."""
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.01)
    left: list[bool] = []

    async def scene() -> None:
        over = HandOver(passed_on=lambda: bool(left), is_left=lambda: bool(left))
        running = Running(listening, Listen(port=0, lame_duck=600), hand_over=over)
        await running.start()
        with listening.dup() as same:
            running.worker.stop(lame_duck=600)
            left.append(True)
            await running.end()
            assert same.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    run(scene())


def test_after_a_hand_over_requests_have_a_time_of_their_own(
    listening: socket.socket,
) -> None:
    events: list[Event] = []

    async def scene() -> None:
        over = HandOver(passed_on=lambda: True, is_left=lambda: True)
        settings = Listen(port=0, lame_duck=600, drain_timeout=1, hand_over_timeout=1234)
        running = Running(listening, settings, hand_over=over)
        await running.start()
        running.worker.stop(lame_duck=600)
        await running.end()
        events.extend(running.events)

    run(scene())
    assert events == [Draining(0, 1234), Drained()]


def test_it_lives_no_longer_than_its_supervisor(listening: socket.socket) -> None:
    errors: list[Event] = []

    async def scene() -> None:
        lifeline, held = os.pipe()
        running = Running(listening, QUICK)
        await running.start(lifeline)
        assert not running.ended
        os.close(held)
        await running.end()
        os.close(lifeline)
        errors.extend(event for event in running.events if event.level is Level.ERROR)

    run(scene())
    assert errors == [SupervisorGone()]


async def ends_immediately() -> None:
    """A companion that should have run until the end."""


async def fails() -> None:
    raise HeadgateError("the disk is full")


@pytest.mark.parametrize(
    ("companion", "error", "message"),
    [
        (ends_immediately, RuntimeError, "ends_immediately ended"),
        (fails, HeadgateError, "disk is full"),
    ],
)
def test_a_companion_that_ends_ends_the_worker(
    companion: Companion, error: type[Exception], message: str, listening: socket.socket
) -> None:
    async def scene() -> None:
        running = Running(listening, QUICK, (companion,))
        await running.start()
        with pytest.raises(error, match=message):
            await running.end()
        assert running.upkeep.told[-1] == "close"

    run(scene())


def test_the_configured_backlog_is_the_kernels(listening: socket.socket) -> None:
    """Event loops call ``listen`` once more, with a hundred by default."""

    async def scene() -> None:
        running = Running(listening, Listen(port=0, backlog=321, lame_duck=0))
        await running.start()
        state = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        (backlog,) = struct.unpack_from("I", state, 28)  # tcpi_sacked: of a listener, its backlog
        assert backlog == 321
        running.worker.stop()
        await running.end()

    run(scene())


def test_a_client_that_does_not_finish_its_handshake_is_not_waited_for_indefinitely(
    listening: socket.socket,
) -> None:
    """It is no connection of the data plane yet, so nothing else would end it."""

    async def scene() -> None:
        limits = Limits(header_timeout=0.05)
        dialogue = Dialogue()
        plane = DataPlane(
            dialogue.decider,
            limits,
            ManualClock(),
            "0123456789abcdef",
            account=dialogue.accounted.append,
            emit=discard,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ready = asyncio.Event()
        made = Worker(QUICK, plane, Upkeep(), discard, tls=context)
        task = asyncio.get_running_loop().create_task(made.run((listening,), ready.set))
        async with asyncio.timeout(WAIT):
            await ready.wait()
            reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            assert await reader.read() == b""
            writer.close()
            made.stop()
            await task

    run(scene())
