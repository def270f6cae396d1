"""What the processes of a gate know of maintenance."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context

import pytest

from headgate.maintenance import Directive, Park, ParkState, Sharing, Standing
from headgate.runtime.gate_report import GateName
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.own_maintenance_store import OwnMaintenanceStore
from headgate.stores.maintenance import GateReport, RegisteredGate, UpstreamReport
from tests.support.maintenance_suite import (
    PARK,
    PARKED,
    MaintenanceStoreSuite,
    OpenMaintenance,
)

SERVING, PARKED_STATE = ParkState.SERVING, ParkState.PARKED
GATE = GateName("gate-1", "1.2.3")


@pytest.fixture
def memory() -> MaintenanceMemory:
    return MaintenanceMemory(3)


class TestOwnStore(MaintenanceStoreSuite):
    """Of a gate without a store."""

    @pytest.fixture
    def open_store(self, memory: MaintenanceMemory) -> OpenMaintenance:
        return lambda: OwnMaintenanceStore(memory, GATE)

    def test_it_is_the_only_gate(self, memory: MaintenanceMemory) -> None:
        store = OwnMaintenanceStore(memory, GATE)
        memory.set(0, {"default": Standing(1, PARKED_STATE, 0, 7)})
        report = GateReport(
            memory.gate_id, "gate-1", "1.2.3", 3, {"default": UpstreamReport(1, "parked", 0, 7)}
        )
        store.report(report)
        assert list(store.gates()) == [RegisteredGate(report, 0.0)]
        assert store.leave(memory.gate_id)
        assert not store.leave("g_00000009")
        assert list(store.gates()) == [RegisteredGate(report, 0.0)]


def in_a_child(work: Callable[[], None]) -> None:
    """Do something in a process that is forked, as a worker is, and then killed."""
    child = os.fork()
    if child == 0:  # pragma: no cover - ends by the signal
        work()
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_directives_outlive_who_has_written_them(memory: MaintenanceMemory) -> None:
    in_a_child(lambda: _done(memory.follow({"default": PARKED}, 0)))
    assert memory.directives() == {"default": PARKED}


def test_a_read_that_was_overtaken_is_not_taken_over(memory: MaintenanceMemory) -> None:
    """A park that the API has just made must not be undone by an older look at the store."""
    assert memory.follow({}, 0)
    since = memory.changes
    assert memory.put(PARKED)
    assert not memory.follow({}, since)
    assert memory.directives() == {"default": PARKED}
    assert not memory.follow({"default": PARKED}, memory.changes)  # nothing is new


def test_a_store_that_was_put_back_counts(memory: MaintenanceMemory) -> None:
    """Its revisions may be lower."""
    memory.follow({"default": replace(PARKED, revision=9)}, 0)
    memory.follow({"default": PARKED}, memory.changes)
    assert memory.directives() == {"default": PARKED}


@pytest.mark.parametrize("revision", [4, 5])
def test_an_earlier_directive_changes_nothing(memory: MaintenanceMemory, revision: int) -> None:
    later = replace(PARKED, revision=5)
    assert memory.put(later)
    assert not memory.put(Directive("default", revision))
    assert memory.directives() == {"default": later}


def test_one_process_leads_until_it_ends(memory: MaintenanceMemory) -> None:
    context = get_context("fork")
    here, there = context.Pipe()

    def lead() -> None:  # pragma: no cover - in another process
        there.send(memory.lead())
        there.recv()

    child = context.Process(target=lead)
    child.start()
    assert here.recv()
    assert not memory.lead()
    child.kill()
    child.join(30)
    assert memory.lead()
    assert memory.lead()


def test_a_writer_that_is_killed_gives_its_lock_back(memory: MaintenanceMemory) -> None:
    def stuck() -> None:  # pragma: no cover - in another process
        with memory._writing():
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(stuck)
    assert memory.put(PARKED)


def test_the_worker_that_is_behind_counts(memory: MaintenanceMemory) -> None:
    assert memory.standings() == {}
    assert memory.is_empty
    memory.set(0, {"default": Standing(4, PARKED_STATE, 0, 3)})
    memory.set(1, {"default": Standing(3, SERVING, 2, 0), "batch": Standing(0, SERVING, 1, 0)})
    assert memory.standings() == {
        "default": Standing(3, SERVING, 2, 3),
        "batch": Standing(0, SERVING, 1, 0),
    }
    memory.set(1, {"default": Standing(4, PARKED_STATE, 0, 1, 0)})
    assert memory.standings() == {"default": Standing(4, PARKED_STATE, 0, 4)}
    assert not memory.is_empty


def test_a_worker_that_starts_has_acknowledged_nothing_yet(memory: MaintenanceMemory) -> None:
    memory.set(0, {"default": Standing(4, PARKED_STATE, 0, 3)})
    memory.start(1)
    assert memory.standings()["default"].revision == 0
    memory.set(1, {"default": Standing(4, PARKED_STATE, 0, 0)})
    assert memory.standings()["default"].revision == 4


def test_a_worker_that_has_ended_has_no_say(memory: MaintenanceMemory) -> None:
    memory.set(0, {"default": Standing(4, PARKED_STATE, 0, 3)})
    memory.set(2, {"default": Standing(3, SERVING, 9, 0)})
    memory.end(2)
    memory.end(2)
    assert memory.standings() == {"default": Standing(4, PARKED_STATE, 0, 3)}


def test_the_largest_directives_of_many_upstreams_have_room(memory: MaintenanceMemory) -> None:
    sentence = "\N{SNOWMAN}" * 200
    park = Park("0" * 16, "\N{SNOWMAN}" * 100, sentence, 1.5, 2.5, lease=True, admits="x" * 200)
    many = {f"upstream-{each}": Directive(f"upstream-{each}", 1, park) for each in range(300)}
    assert memory.follow(many, 0)
    assert memory.directives() == many
    assert PARK.id


def _done(done: bool) -> None:
    assert done


def test_a_worker_knows_who_shares_an_upstream(memory: MaintenanceMemory) -> None:
    memory.set(0, {"default": Standing(1, PARKED_STATE, 0, 7)})
    memory.set(1, {"default": Standing(1, PARKED_STATE, 0, 5), "other": Standing(0, SERVING, 0, 0)})
    memory.start(2)
    assert memory.sharing(0, "default") == Sharing(3, 5)
    assert memory.sharing(2, "default") == Sharing(3, 12)
    memory.set_others({"default": Sharing(4, 20)})
    assert memory.sharing(0, "default") == Sharing(7, 25)
    assert memory.sharing(0, "other") == Sharing(3, 0)
    memory.end(1)
    assert memory.sharing(0, "default") == Sharing(7, 20)
