"""Directives reach the upstreams of every worker, and the store hears of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.events import (
    Event,
    FenceLifted,
    FenceRaised,
    GateForgotten,
    MaintenanceFollowed,
    MaintenanceNotFollowed,
    MaintenanceNotKept,
    MaintenanceRecalled,
)
from headgate.maintenance import Directive, ParkState, Sharing, UpstreamMaintenance
from headgate.runtime import maintenance_follower as module
from headgate.runtime.fence import Fence
from headgate.runtime.gate_report import GateName, shared
from headgate.runtime.kept_directives import KeptDirectives
from headgate.runtime.lasting_memory import LastingMemory
from headgate.runtime.maintenance_follower import MaintenanceFollower
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.worker_maintenance import WorkerMaintenance
from headgate.stores.maintenance import (
    FENCE_MARGIN,
    GateReport,
    OlderSchemaError,
    RegisteredGate,
    UpstreamReport,
)
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

    folder: Path
    lasting: LastingMemory = field(default_factory=LastingMemory)
    memory: MaintenanceMemory = field(init=False)
    store: MemoryMaintenanceStore = field(default_factory=MemoryMaintenanceStore)
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=lambda: [upstream()])

    def __post_init__(self) -> None:
        self.memory = MaintenanceMemory(2, self.lasting)
        self.worker = WorkerMaintenance(self.memory, 0)
        self.follower = MaintenanceFollower(
            self.worker,
            lambda: self.store,
            GateName("gate-1", "1.2.3"),
            self.clock,
            self.events.append,
            kept=KeptDirectives(self.folder, "a store"),
        )

    def start(self) -> None:
        self.follower.load()
        self.worker.follow(lambda: self.upstreams)

    def state(self) -> ParkState:
        return self.upstreams[0].maintenance.state


@pytest.fixture
def stand(tmp_path: Path) -> GateStand:
    return GateStand(tmp_path)


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
    follower = MaintenanceFollower(
        second,
        lambda: stand.store,
        GateName("gate-1", "1"),
        stand.clock,
        stand.events.append,
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
    new = GateStand(stand.folder, lasting, stand.store)
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
    new = GateStand(stand.folder, lasting, stand.store)
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


@pytest.mark.parametrize("method", ["directives", "report", "gates"])
def test_a_defect_of_following_ends_no_worker(
    stand: GateStand, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests do not depend on it; what was asked last stays in force."""
    stand.store.put(PARKED_NOW, 0)
    failed = []

    def fail(*_: object) -> None:
        failed.append(method)
        raise RuntimeError("a defect")

    async def fails() -> None:
        await until(lambda: bool(stand.store.reports))
        with monkeypatch.context() as patch:
            patch.setattr(stand.store, method, fail)

            def has_failed() -> bool:
                stand.clock.advance(module.QUIET_SECONDS + 1)
                return len(failed) >= 3

            await until(has_failed)
        await until(lambda: len(stand.events) == 2)
        assert stand.state() is ParkState.PARKED

    run(stand, fails)
    first, second = stand.events
    assert isinstance(first, MaintenanceNotFollowed)
    assert "RuntimeError('a defect')" in str(first)
    assert isinstance(second, MaintenanceFollowed)


def test_a_defect_of_the_first_look_keeps_no_worker_from_starting(
    stand: GateStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(stand.store, "directives", fail)
    stand.start()
    assert [type(each) for each in stand.events] == [MaintenanceNotFollowed]


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
    stand.follower = MaintenanceFollower(
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
    stand.follower = MaintenanceFollower(
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


def gate_of(name: str, workers: int, waiting: int) -> GateReport:
    return GateReport(
        name, name, "1.2.3", workers, {"default": UpstreamReport(1, "releasing", 0, waiting)}
    )


def test_those_who_share_an_upstream_are_the_other_gates_that_are_there() -> None:
    gates = [
        RegisteredGate(gate_of("g_own", 2, 100), 0.0),
        RegisteredGate(gate_of("g_1", 2, 7), 0.0),
        RegisteredGate(gate_of("g_2", 4, 0), 14.0),
        RegisteredGate(gate_of("g_gone", 8, 500), 100.0),
    ]
    assert shared(gates, "g_own") == {"default": Sharing(6, 7)}
    assert shared(gates[:1], "g_own") == {}


def test_while_a_release_lasts_workers_hear_of_other_gates(stand: GateStand) -> None:
    """Also after the park has gone from the directive."""
    maintenance = stand.upstreams[0].maintenance
    stand.store.put(PARKED_NOW, 0)
    stand.store.report(gate_of("g_other", 6, 9))

    async def heard() -> None:
        await until(lambda: stand.memory.sharing(0, "default") == Sharing(8, 9))

    async def unparked() -> None:
        stand.store.put(Directive("default", 2), 1)
        await until(lambda: maintenance.state is ParkState.RELEASING)
        stand.store.report(gate_of("g_other", 6, 4))
        await until(lambda: stand.memory.sharing(0, "default") == Sharing(8, 4))
        stand.worker.look()
        assert maintenance.sharing == Sharing(8, 4)
        stand.store.report(gate_of("g_other", 6, 0))
        await until(lambda: stand.memory.sharing(0, "default") == Sharing(8, 0))
        stand.worker.look()
        maintenance.follow(PARK.started_at, 0, 0)
        assert maintenance.state is ParkState.SERVING

    run(stand, heard, unparked)


# --- a start while the store is away ------------------------------------------------------------


def started_again(stand: GateStand) -> GateStand:
    """The next gate with the same data folder, whose store is away."""
    again = GateStand(stand.folder, store=stand.store)
    stand.store.failure = HeadgateError("the database is away")
    again.start()
    return again


async def acknowledged(stand: GateStand) -> None:
    """The gate has said to the store that it is parked."""
    await until(
        lambda: any(
            each.report.upstreams.get("default") == UpstreamReport(1, "parked", 0, 0)
            for each in stand.store.gates()
        )
    )


def test_a_park_is_kept_before_it_is_acknowledged(stand: GateStand) -> None:
    async def parked() -> None:
        stand.store.put(PARKED_NOW, 0)
        await acknowledged(stand)
        assert KeptDirectives(stand.folder, "a store").read() == {"default": PARKED_NOW}

    run(stand, parked)


def test_a_gate_that_starts_without_its_store_is_parked_before_its_first_request(
    stand: GateStand,
) -> None:
    async def parked() -> None:
        stand.store.put(PARKED_NOW, 0)
        await acknowledged(stand)

    run(stand, parked)
    again = started_again(stand)
    assert again.state() is ParkState.PARKED
    recalled = [each for each in again.events if isinstance(each, MaintenanceRecalled)]
    assert [each.upstreams for each in recalled] == [("default",)]
    other = WorkerMaintenance(again.memory, 1)
    further = upstream()
    other.follow(lambda: [further])
    assert further.maintenance.state is ParkState.PARKED, "so are its other workers"


def test_once_the_store_is_back_what_it_says_counts(stand: GateStand) -> None:
    async def parked() -> None:
        stand.store.put(PARKED_NOW, 0)
        await acknowledged(stand)

    run(stand, parked)
    stand.store.put(Directive("default", PARKED_NOW.revision + 1), PARKED_NOW.revision)
    again = GateStand(stand.folder, store=stand.store)
    stand.store.failure = HeadgateError("the database is away")

    async def away() -> None:
        assert again.state() is ParkState.PARKED

    async def back() -> None:
        stand.store.failure = None
        await until(lambda: again.state() is not ParkState.PARKED)
        await until(lambda: KeptDirectives(stand.folder, "a store").read() == {})

    run(again, away, back)


def test_a_park_that_is_over_is_not_recalled(stand: GateStand) -> None:
    KeptDirectives(stand.folder, "a store").write(
        {
            "default": replace(
                PARKED_NOW, park=replace(PARK, lease=False, ends_at=PARK.started_at - 1)
            )
        }
    )
    again = started_again(stand)
    assert again.state() is ParkState.SERVING


def test_a_file_that_cannot_be_used_is_named_once(stand: GateStand) -> None:
    kept = KeptDirectives(stand.folder, "a store")
    kept.path.write_bytes(b"{")
    again = started_again(stand)
    assert again.state() is ParkState.SERVING
    told = [each for each in again.events if isinstance(each, MaintenanceNotKept)]
    assert [(each.file, each.reason) for each in told] == [
        (str(kept.path), "cannot be understood: it is not as Headgate writes it")
    ]
