"""Which connections to MLflow are kept, and which one is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from headgate.config import Limits, Upstream
from headgate.dataplane.connections.dial import Dial
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.model import Endpoint
from headgate.testing.clock import ManualClock
from headgate.testing.pool import ScriptedPool
from headgate.testing.transport import FakeTransport, Turns


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(clock: ManualClock) -> Callable[..., ScriptedPool]:
    """Makes a pool with the given settings."""

    def make(**settings: float) -> ScriptedPool:
        return ScriptedPool(Turns(), clock, Upstream.model_validate(settings), Limits())

    return make


@pytest.fixture
def pool(make: Callable[..., ScriptedPool]) -> ScriptedPool:
    return make()


# --- keeping -----------------------------------------------------------------------------------


def test_the_connection_used_last_is_taken_first(pool: ScriptedPool) -> None:
    connections = [pool.open()[0] for _ in range(3)]
    for connection in connections:
        connection.give_back()

    assert [pool.take() for _ in range(4)] == [*reversed(connections), None]


def test_a_connection_that_rested_too_long_is_not_taken(
    pool: ScriptedPool, clock: ManualClock
) -> None:
    """MLflow may be about to close it."""
    old = pool.open_idle()
    clock.advance(3)
    fresh = pool.open_idle()
    clock.advance(2)

    assert pool.take() is fresh.transport.get_protocol()
    assert pool.take() is None
    assert (old.closed(), fresh.closed()) == (True, False)
    assert (pool.size, pool.busy) == (1, 1)


def test_a_connection_that_is_closing_is_not_taken(pool: ScriptedPool) -> None:
    peer = pool.open_idle()
    peer.transport.deliver_eof()  # the end is known, but not yet reported
    assert pool.take() is None
    assert pool.size == 0


@pytest.mark.parametrize("most", [0, 1, 2])
def test_no_more_than_so_many_are_kept(most: int, make: Callable[..., ScriptedPool]) -> None:
    pool = make(idle_connections=most)
    opened = [pool.open() for _ in range(3)]
    for connection, _ in opened:
        connection.give_back()

    assert (pool.idle, pool.busy, pool.size) == (most, 0, most)
    assert [peer.closed() for _, peer in opened] == [False] * most + [True] * (3 - most)


def test_a_connection_that_mlflow_closes_is_forgotten(pool: ScriptedPool) -> None:
    first, second = pool.open_idle(), pool.open_idle()
    first.finishes()
    second.resets()
    _, busy = pool.open()
    busy.resets()
    assert pool.size == 0


def test_the_sweep_closes_what_rested_too_long(pool: ScriptedPool, clock: ManualClock) -> None:
    old = pool.open_idle()
    clock.advance(3)
    fresh = pool.open_idle()
    clock.advance(1.5)
    pool.sweep()

    assert (old.closed(), fresh.closed()) == (True, False)
    assert pool.idle == 1


def test_closing_the_pool_closes_all_of_it(pool: ScriptedPool) -> None:
    idle = pool.open_idle()
    _, busy = pool.open()
    pool.close()

    assert (idle.closed(), busy.closed(), pool.size) == (True, True, 0)


def test_a_retired_pool_keeps_nothing(pool: ScriptedPool) -> None:
    idle = pool.open_idle()
    connection, busy = pool.open()
    pool.retire()
    assert (idle.closed(), busy.closed()) == (True, False)

    connection.give_back()
    assert (busy.closed(), pool.size) == (True, 0)


def test_it_tells_its_state(pool: ScriptedPool) -> None:
    pool.open_idle()
    pool.open()
    assert repr(pool) == "<Pool 127.0.0.1:5000: 1 busy, 1 idle, 0 connecting>"


# --- connecting --------------------------------------------------------------------------------


class Asker:
    """Takes note of what it is given."""

    def __init__(self) -> None:
        self.connection: UpstreamConnection | None = None
        self.error: OSError | None = None

    def on_connected(self, connection: UpstreamConnection) -> None:
        self.connection = connection

    def on_connect_failed(self, endpoint: Endpoint, error: OSError) -> None:
        self.error = error


@pytest.fixture
def asker() -> Asker:
    return Asker()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def dialling(dial: Dial, *, connect_timeout: float = 5) -> Pool:
    """A pool that opens connections by ``dial``."""
    return Pool(
        Endpoint("mlflow", 5000),
        Upstream(connect_timeout=connect_timeout),
        host_header=b"mlflow",
        authorities=frozenset(),
        head_bytes=1000,
        max_fields=10,
        clock=ManualClock(),
        dial=dial,
    )


async def opens(endpoint: Endpoint, make: Callable[[], UpstreamConnection]) -> UpstreamConnection:
    """Connect immediately."""
    connection = make()
    FakeTransport(Turns(), connection)
    return connection


async def opens_what_is_lost(
    endpoint: Endpoint, make: Callable[[], UpstreamConnection]
) -> UpstreamConnection:
    """Connect to a server that closes immediately."""
    connection = await opens(endpoint, make)
    connection.transport.abort()
    connection.connection_lost(None)
    return connection


async def refuses(endpoint: Endpoint, make: Callable[[], UpstreamConnection]) -> UpstreamConnection:
    """Meet nobody."""
    raise ConnectionRefusedError(111, "Connection refused")


async def waits(endpoint: Endpoint, make: Callable[[], UpstreamConnection]) -> UpstreamConnection:
    """Meet silence."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_new_connection_is_the_askers(loop: asyncio.Runner, asker: Asker) -> None:
    pool = dialling(opens)

    async def ask() -> None:
        await pool.connect(asker)

    loop.run(ask())
    assert asker.connection is not None
    assert repr(pool) == "<Pool mlflow:5000: 1 busy, 0 idle, 0 connecting>"
    assert not asker.connection.reused


def test_a_refused_connection_is_reported(loop: asyncio.Runner, asker: Asker) -> None:
    pool = dialling(refuses)

    async def ask() -> None:
        await pool.connect(asker)

    loop.run(ask())
    assert isinstance(asker.error, ConnectionRefusedError)
    assert pool.size == 0


@pytest.mark.parametrize("problem", [OverflowError("port"), UnicodeError("label too long")])
def test_what_cannot_be_connected_to_is_reported(
    loop: asyncio.Runner, asker: Asker, problem: Exception
) -> None:
    """Names and ports may come from DNS, so connecting needs a timeout."""

    async def fails(
        endpoint: Endpoint, make: Callable[[], UpstreamConnection]
    ) -> UpstreamConnection:
        raise problem

    pool = dialling(fails)

    async def ask() -> None:
        await pool.connect(asker)

    loop.run(ask())
    assert isinstance(asker.error, OSError)
    assert str(problem) in str(asker.error)
    assert pool.size == 0


def test_a_connection_that_is_lost_immediately_was_none(loop: asyncio.Runner, asker: Asker) -> None:
    """The exchange would not learn of its end, and wait for an hour."""
    pool = dialling(opens_what_is_lost)

    async def ask() -> None:
        await pool.connect(asker)

    loop.run(ask())
    assert isinstance(asker.error, ConnectionResetError)
    assert (asker.connection, pool.size) == (None, 0)


def test_connecting_has_its_time(loop: asyncio.Runner, asker: Asker) -> None:
    pool = dialling(waits, connect_timeout=1e-9)

    async def ask() -> None:
        await pool.connect(asker)

    loop.run(ask())
    assert str(asker.error) == "no connection within 1e-09 s"
    assert pool.size == 0


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_wish_for_a_connection_can_be_taken_back(
    how: str, loop: asyncio.Runner, asker: Asker
) -> None:
    pool = dialling(waits)

    async def ask() -> None:
        task = pool.connect(asker)
        await asyncio.sleep(0)
        assert pool.size == 1
        if how == "cancel":
            task.cancel()
        else:
            pool.close()
        await asyncio.wait([task])

    loop.run(ask())
    assert (asker.connection, asker.error, pool.size) == (None, None, 0)
