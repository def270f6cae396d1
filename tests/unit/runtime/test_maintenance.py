"""Directives reach the upstreams of every worker, and the store hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from headgate.errors import HeadgateError
from headgate.events import Event, MaintenanceFollowed, MaintenanceNotFollowed
from headgate.maintenance import Directive, ParkState, UpstreamMaintenance
from headgate.runtime import maintenance as module
from headgate.runtime.maintenance import GateFollower, GateName, WorkerMaintenance
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.stores.maintenance import OlderSchemaError
from headgate.testing.clock import ManualClock
from headgate.testing.maintenance_store import MemoryMaintenanceStore
from tests.support.maintenance_suite import PARK, PARKED

PARKED_NOW = replace(PARKED, read_only=None)


@dataclass
class Upstream:
    """What a balancer is here."""

    maintenance: UpstreamMaintenance
    in_flight: int = 0

    def follow(self) -> None:
        """What a balancer does when it is to follow another directive."""
        self.maintenance.follow(PARK.started_at, self.in_flight, 0)


def upstream(name: str = "default", in_flight: int = 0) -> Upstream:
    made = Upstream(UpstreamMaintenance(name), in_flight)
    made.maintenance.on_change = made.follow
    return made


@dataclass
class GateStand:
    """A gate with two workers, of which the first is here."""

    memory: MaintenanceMemory = field(default_factory=lambda: MaintenanceMemory(2))
    store: MemoryMaintenanceStore = field(default_factory=MemoryMaintenanceStore)
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=lambda: [upstream()])

    def __post_init__(self) -> None:
        self.worker = WorkerMaintenance(self.memory, 0)
        self.follower = GateFollower(
            self.worker,
            lambda: self.store,
            GateName("gate-1", "1.2.3"),
            self.clock,
            self.events.append,
        )

    def start(self) -> None:
        self.follower.load()
        self.worker.follow(lambda: self.upstreams)

    def state(self) -> ParkState:
        return self.upstreams[0].maintenance.state


@pytest.fixture
def stand() -> GateStand:
    return GateStand()


def run(stand: GateStand, *steps: Callable[[], Awaitable[None]]) -> None:
    """Start a gate and do some steps beside it."""

    async def all_() -> None:
        stand.start()
        running = asyncio.ensure_future(stand.follower.run())
        try:
            for step in steps:
                await step()
        finally:
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(all_())


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what happens in threads sets no event
            await asyncio.sleep(0.001)


async def looks(stand: GateStand, count: int = 3) -> None:
    """Let so many turns begin, so that at least one has ended."""
    seen = stand.store.looks
    await until(lambda: stand.store.looks >= seen + count)


def test_what_is_parked_is_so_before_the_first_request(stand: GateStand) -> None:
    stand.store.put(PARKED_NOW, 0)
    stand.start()
    assert stand.state() is ParkState.PARKED


def test_a_worker_that_starts_later_needs_no_store(stand: GateStand) -> None:
    stand.store.put(PARKED_NOW, 0)
    stand.start()
    stand.store.failure = HeadgateError("down")
    second, other = WorkerMaintenance(stand.memory, 1), upstream()
    follower = GateFollower(
        second, lambda: stand.store, GateName("gate-1", "1"), stand.clock, stand.events.append
    )
    follower.load()
    second.follow(lambda: [other])
    assert other.maintenance.state is ParkState.PARKED
    assert stand.events == []


def test_a_gate_that_starts_without_its_store_goes_by_what_it_hears_later(
    stand: GateStand,
) -> None:
    stand.store.put(PARKED_NOW, 0)
    stand.store.failure = HeadgateError("down")

    async def comes_back() -> None:
        assert stand.state() is ParkState.SERVING
        stand.store.failure = None
        await until(lambda: stand.state() is ParkState.PARKED)
        await until(lambda: len(stand.events) == 2)

    run(stand, comes_back)
    assert [type(each) for each in stand.events] == [MaintenanceNotFollowed, MaintenanceFollowed]


def test_a_gate_reports_at_its_start_at_each_change_and_leaves(stand: GateStand) -> None:
    async def serves() -> None:
        assert stand.store.reports[0].upstreams == {}  # before a request was served
        await until(lambda: len(stand.store.reports) == 2)
        await looks(stand, 20)
        assert len(stand.store.reports) == 2  # nothing has happened
        stand.clock.advance(module.QUIET_SECONDS)
        await until(lambda: len(stand.store.reports) == 3)

    async def parks() -> None:
        stand.upstreams[0].in_flight = 2
        stand.store.put(PARKED_NOW, 0)
        await until(lambda: len(stand.store.reports) == 4)
        (gate,) = stand.store.gates()
        assert gate.report.id == stand.memory.gate_id
        assert gate.report.name == "gate-1"
        shown = gate.report.upstreams["default"]
        assert (shown.revision, shown.state, shown.in_flight) == (1, "draining", 2)
        stand.upstreams[0].in_flight = 1
        stand.upstreams[0].follow()  # each change of the numbers counts while it is asked
        await until(lambda: len(stand.store.reports) == 5)
        stand.upstreams[0].in_flight = 0
        stand.upstreams[0].follow()
        await until(lambda: len(stand.store.reports) == 6)
        assert stand.store.reports[-1].upstreams["default"].state == "parked"

    run(stand, serves, parks)
    assert list(stand.store.gates()) == []


def test_a_gate_with_workers_left_does_not_leave(stand: GateStand) -> None:
    stand.memory.start(1)

    async def report() -> None:
        await until(lambda: bool(stand.store.reports))

    run(stand, report)
    assert len(stand.store.gates()) == 1


def test_who_does_not_lead_asks_nothing(stand: GateStand, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def lead() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10

    monkeypatch.setattr(stand.memory, "lead", lead)

    async def wait() -> None:
        seen = stand.store.looks
        await until(lambda: asked >= 10)
        assert stand.store.looks == seen
        await until(lambda: bool(stand.store.reports))  # and then it is its turn

    run(stand, wait)


def test_a_gate_that_loses_its_store_stays_parked(stand: GateStand) -> None:
    stand.store.put(PARKED_NOW, 0)

    async def loses() -> None:
        await until(lambda: bool(stand.store.reports))
        stand.store.failure = HeadgateError("down")
        await looks(stand, 10)
        assert stand.state() is ParkState.PARKED
        reports = len(stand.store.reports)
        stand.store.failure = None
        await until(lambda: len(stand.store.reports) > reports)  # it says so once more
        await until(lambda: len(stand.events) == 2)

    run(stand, loses)
    assert [type(each) for each in stand.events] == [MaintenanceNotFollowed, MaintenanceFollowed]


def test_a_store_of_an_older_schema_is_looked_at_rarely(stand: GateStand) -> None:
    stand.store.failure = OlderSchemaError("schema 4")

    async def wait() -> None:
        await until(lambda: stand.store.looks >= 2)  # at the start, and once after it
        seen = stand.store.looks
        await asyncio.sleep(0.05)
        assert stand.store.looks == seen
        stand.store.failure = None
        stand.clock.advance(module.PATIENT_SECONDS)
        await until(lambda: bool(stand.store.reports))

    run(stand, wait)


def test_an_upstream_of_a_later_configuration_is_parked_from_its_first_look(
    stand: GateStand,
) -> None:
    stand.store.put(replace(PARKED_NOW, upstream="batch"), 0)
    stand.start()
    assert stand.state() is ParkState.SERVING
    batch = upstream("batch")
    stand.upstreams.append(batch)
    stand.worker.look()
    assert batch.maintenance.state is ParkState.PARKED
    assert stand.memory.standings()["batch"].revision == 1
    stand.upstreams.remove(batch)
    stand.worker.look()
    assert list(stand.memory.standings()) == ["default"]


def test_one_that_is_replaced_counts_until_its_last_request_has_ended(stand: GateStand) -> None:
    stand.start()
    stand.upstreams = [upstream(), upstream(in_flight=3)]
    stand.memory.put(PARKED_NOW)
    stand.worker.look()
    standing = stand.memory.standings()["default"]
    assert (standing.revision, standing.state, standing.in_flight) == (1, ParkState.DRAINING, 3)


def test_a_directive_that_is_gone_asks_nothing(stand: GateStand) -> None:
    stand.store.put(PARKED_NOW, 0)
    stand.start()
    stand.memory.follow({}, stand.memory.changes)
    stand.worker.look()
    assert stand.upstreams[0].maintenance.directive == Directive("default")
