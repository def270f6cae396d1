"""What every store of directives and gates does: one suite for all of them.

A module that tests an implementation has a subclass of ``MaintenanceStoreSuite``, and a fixture
``open_store`` that opens one store once more at each call, as another gate does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headgate.maintenance import Directive, Park, ReadOnly
from headgate.stores.maintenance import (
    GateReport,
    MaintenanceStore,
    RevisionChangedError,
    UpstreamReport,
)

NOW = 1_700_000_000.25
OpenMaintenance = Callable[[], MaintenanceStore]
PARK = Park(
    "0123456789abcdef",
    "Ada's; -- \N{SNOWMAN} key",
    'upgrade to 3.17.2; "back" at 9 %s',
    NOW,
    NOW + 240.5,
    lease=True,
    admits="k_0000full",
)
READ_ONLY = ReadOnly("fedcba9876543210", "ada", "", NOW, NOW + 3600)
PARKED = Directive("default", 1, PARK, READ_ONLY, asked=1)
GATE = GateReport(
    "g_00000001",
    "gate-1.example.org 0.0.0.0:8080",
    "1.2.3",
    2,
    {
        "default": UpstreamReport(1, "parked", 0, 17),
        "batch \N{SNOWMAN}": UpstreamReport(0, "serving", 3, 0),
    },
    fence=120.0,
)


class MaintenanceStoreSuite:
    """The contract of ``MaintenanceStore``."""

    @pytest.fixture
    def store(self, open_store: OpenMaintenance) -> MaintenanceStore:
        return open_store()

    def test_of_a_new_store_nothing_is_asked(self, store: MaintenanceStore) -> None:
        assert store.directives() == {}

    def test_what_is_put_is_read_by_all(
        self, store: MaintenanceStore, open_store: OpenMaintenance
    ) -> None:
        other = open_store()
        other.directives()
        batch = Directive("batch \N{SNOWMAN}", 1, None, None, 1)
        store.put(PARKED, 0)
        store.put(batch, 0)
        assert other.directives() == {"default": PARKED, "batch \N{SNOWMAN}": batch}
        renewed = replace(PARKED, revision=2, park=replace(PARK, ends_at=NOW + 999))
        other.put(renewed, 1)
        ended = Directive("default", 3, asked=3)
        assert store.directives()["default"] == renewed
        store.put(ended, 2)
        assert other.directives()["default"] == ended

    @pytest.mark.parametrize("before", [0, 1, 3])
    def test_a_change_of_another_revision_is_refused(
        self, store: MaintenanceStore, before: int
    ) -> None:
        store.put(PARKED, 0)
        there = replace(PARKED, revision=2)
        store.put(there, 1)
        with pytest.raises(RevisionChangedError):
            store.put(Directive("default", before + 1), before)
        assert store.directives() == {"default": there}

    def test_what_is_not_there_has_no_revision_but_0(self, store: MaintenanceStore) -> None:
        with pytest.raises(RevisionChangedError):
            store.put(replace(PARKED, revision=2), 1)
        assert store.directives() == {}

    def test_of_many_who_change_it_together_one_does(self, open_store: OpenMaintenance) -> None:
        start = threading.Barrier(4)

        def change(number: int) -> bool:
            store = open_store()
            park = replace(PARK, by=f"operator {number}")
            start.wait()
            try:
                store.put(Directive("default", 1, park), 0)
            except RevisionChangedError:
                return False
            return True

        with ThreadPoolExecutor(4) as executor:
            done = list(executor.map(change, range(4)))
        assert done.count(True) == 1
        park = open_store().directives()["default"].park
        assert park is not None
        assert park.by == f"operator {done.index(True)}"


class RegistrationSuite:
    """The contract of those to which gates report."""

    def test_gates_are_known_from_their_first_report_until_they_leave(
        self, open_store: OpenMaintenance
    ) -> None:
        store, other = open_store(), open_store()
        assert list(other.gates()) == []
        second = replace(GATE, id="g_00000002", upstreams={}, fence=0.0)
        store.report(second)
        store.report(replace(GATE, workers=1))
        store.report(GATE)
        assert [each.report for each in other.gates()] == [GATE, second]
        assert all(0 <= each.silent < 60 for each in other.gates())
        assert other.leave(GATE.id)
        assert not other.leave(GATE.id)
        assert [each.report for each in store.gates()] == [second]
        store.report(GATE)  # it is not gone, whatever an operator has said
        assert [each.report for each in other.gates()] == [GATE, second]
