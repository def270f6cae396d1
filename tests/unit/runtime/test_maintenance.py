"""Directives reach the upstreams of every worker, and the store hears of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from headgate.errors import HeadgateError
from headgate.events import (
    Event,
    FenceLifted,
    FenceRaised,
    GateForgotten,
    MaintenanceFollowed,
    MaintenanceNotFollowed,
)
from headgate.maintenance import Directive, ParkState, UpstreamMaintenance
from headgate.runtime import maintenance as module
from headgate.runtime.fence import Fence
from headgate.runtime.lasting_memory import LastingMemory
from headgate.runtime.maintenance import GateFollower, GateName, WorkerMaintenance
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.stores.maintenance import FENCE_MARGIN, GateReport, OlderSchemaError
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

    lasting: LastingMemory = field(default_factory=LastingMemory)
    memory: MaintenanceMemory = field(init=False)
    store: MemoryMaintenanceStore = field(default_factory=MemoryMaintenanceStore)
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=lambda: [upstream()])

    def __post_init__(self) -> None:
        self.memory = MaintenanceMemory(2, self.lasting)
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


def test_a_gate_that_takes_over_is_registered_before_it_serves(stand: GateStand) -> None:
    """What the gate before has left tells it what is asked; a park has to wait for it too."""
    stand.store.put(PARKED_NOW, 0)
    stand.start()
    lasting = LastingMemory({name: os.dup(file) for name, file in stand.lasting.files().items()})
    new = GateStand(lasting, stand.store)
    new.start()
    assert new.state() is ParkState.PARKED
    assert {each.report.id for each in stand.store.gates()} == {
        stand.memory.gate_id,
        new.memory.gate_id,
    }
    lasting.close()


def test_a_gate_that_takes_over_without_its_store_goes_by_what_was_left(stand: GateStand) -> None:
    stand.store.put(PARKED_NOW, 0)
    stand.start()
    lasting = LastingMemory({name: os.dup(file) for name, file in stand.lasting.files().items()})
    stand.store.failure = HeadgateError("down")
    new = GateStand(lasting, stand.store)
    new.start()
    assert new.state() is ParkState.PARKED
    lasting.close()


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


# --- gates that were killed -------------------------------------------------------------------


class Marks:
    """Of a gate that was killed."""

    def __init__(self) -> None:
        self.left = ["g_killed"]

    def ended(self) -> list[str]:
        return list(self.left)

    def remove(self, gate_id: str) -> None:
        if gate_id in self.left:
            self.left.remove(gate_id)


def follower_with(stand: GateStand, marks: Marks) -> None:
    stand.follower = GateFollower(
        stand.worker,
        lambda: stand.store,
        GateName("gate-1", "1.2.3"),
        stand.clock,
        stand.events.append,
        marks,
    )


def test_a_gate_of_which_nothing_is_left_is_forgotten_after_a_while(stand: GateStand) -> None:
    marks = Marks()
    follower_with(stand, marks)
    stand.store.report(GateReport("g_killed", "gate-1", "1.2.3", 1))
    stand.store.report(GateReport("g_elsewhere", "gate-2", "1.2.3", 1))

    async def forgets() -> None:
        await looks(stand)
        assert marks.left == ["g_killed"]  # MLflow may still be busy with its last request
        stand.clock.advance(module.FORGET_SECONDS)
        await until(lambda: marks.left == [])

    run(stand, forgets)
    assert {each.report.id for each in stand.store.gates()} == {"g_elsewhere"}
    assert stand.events == [GateForgotten("g_killed")]


def test_one_that_the_store_does_not_have_needs_no_event(stand: GateStand) -> None:
    marks = Marks()
    follower_with(stand, marks)

    async def forgets() -> None:
        await looks(stand)
        stand.clock.advance(module.FORGET_SECONDS)
        await until(lambda: marks.left == [])

    run(stand, forgets)
    assert stand.events == []


def test_while_the_store_is_down_the_mark_stays(stand: GateStand) -> None:
    marks = Marks()
    follower_with(stand, marks)
    stand.store.report(GateReport("g_killed", "gate-1", "1.2.3", 1))

    async def loses() -> None:
        await looks(stand)
        stand.store.failure = HeadgateError("down")
        stand.clock.advance(module.FORGET_SECONDS)
        await looks(stand)
        assert marks.left == ["g_killed"]
        stand.store.failure = None
        await until(lambda: marks.left == [])

    run(stand, loses)
    assert "g_killed" not in registered(stand)


# --- a fence ----------------------------------------------------------------------------------

FENCE = 120.0


def fenced(stand: GateStand) -> None:
    fence = Fence(FENCE, stand.clock, lambda: 1_800_000_000.0, lambda: None, stand.events.append)
    stand.worker = WorkerMaintenance(stand.memory, 0, fence)
    stand.follower = GateFollower(
        stand.worker,
        lambda: stand.store,
        GateName("gate-1", "1.2.3", FENCE),
        stand.clock,
        stand.events.append,
    )


def registered(stand: GateStand) -> set[str]:
    return {each.report.id for each in stand.store.gates()}


def kinds(stand: GateStand) -> list[type[Event]]:
    return [type(each) for each in stand.events]


def test_a_gate_with_a_fence_holds_while_its_store_is_away_and_hears_of_the_park_first(
    stand: GateStand,
) -> None:
    fenced(stand)

    async def loses() -> None:
        assert stand.state() is ParkState.SERVING
        stand.store.failure = HeadgateError("down")
        stand.clock.advance(FENCE + 1)
        stand.worker.look()
        assert stand.state() is ParkState.PARKED
        stand.store._directives[PARKED_NOW.upstream] = PARKED_NOW  # by another gate
        stand.store.failure = None
        await until(lambda: FenceLifted in kinds(stand))
        # The store was read between the report and the end of the fence.
        assert stand.upstreams[0].maintenance.directive == PARKED_NOW

    run(stand, loses)
    assert kinds(stand).count(FenceRaised) == 1


def test_a_gate_with_a_fence_that_starts_without_its_store_serves_nobody(stand: GateStand) -> None:
    fenced(stand)
    stand.store.failure = HeadgateError("down")

    async def starts() -> None:
        assert stand.state() is ParkState.PARKED
        stand.store.failure = None
        await until(lambda: stand.state() is ParkState.SERVING)

    run(stand, starts)


def test_a_gate_that_its_fence_holds_is_forgotten_by_the_others(stand: GateStand) -> None:
    dead = GateReport("g_killed", "gate-2", "1.2.3", 1, fence=FENCE)
    silent = GateReport("g_silent", "gate-3", "1.2.3", 1)
    stand.store.report(dead)
    stand.store.report(silent)

    async def waits() -> None:
        await looks(stand)
        stand.clock.advance(module.FORGET_SECONDS)
        stand.store.clock.advance(2 * FENCE + FENCE_MARGIN)
        await looks(stand)
        assert "g_killed" in registered(stand)
        stand.clock.advance(module.FORGET_SECONDS)
        stand.store.clock.advance(1)
        await until(lambda: "g_killed" not in registered(stand))
        assert "g_silent" in registered(stand)

    run(stand, waits)
    assert stand.events == [GateForgotten("g_killed")]
