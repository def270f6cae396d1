"""A store of directives and gates in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.errors import HeadgateError
from headgate.maintenance import Directive
from headgate.stores.maintenance import GateReport, RegisteredGate, RevisionChangedError
from headgate.testing.clock import ManualClock


class MemoryMaintenanceStore:
    """A ``MaintenanceStore`` of this process alone, which keeps its content when it is closed.

    Attributes:
        failure: raised by whatever reads or writes the store, while it is set.
        clock: by which it tells for how long a gate has been silent.
        reports: what ``report`` was called with.
        looks: how often ``directives`` was called.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.failure: HeadgateError | None = None
        self.clock = ManualClock() if clock is None else clock
        self.reports: list[GateReport] = []
        self.looks = 0
        self._directives: dict[str, Directive] = {}
        self._gates: dict[str, tuple[GateReport, float]] = {}

    def close(self) -> None:
        """See ``MaintenanceStore``."""

    def directives(self) -> Mapping[str, Directive]:
        """See ``MaintenanceStore``."""
        self.looks += 1
        self._fail()
        return dict(self._directives)

    def put(self, directive: Directive, before: int) -> None:
        """See ``MaintenanceStore``."""
        self._fail()
        there = self._directives.get(directive.upstream)
        if (0 if there is None else there.revision) != before:
            raise RevisionChangedError
        self._directives[directive.upstream] = directive

    def report(self, gate: GateReport) -> None:
        """See ``MaintenanceStore``."""
        self._fail()
        self.reports.append(gate)
        self._gates[gate.id] = (gate, self.clock())

    def gates(self) -> Sequence[RegisteredGate]:
        """See ``MaintenanceStore``."""
        self._fail()
        now = self.clock()
        found = [RegisteredGate(gate, now - at) for gate, at in self._gates.values()]
        return sorted(found, key=lambda each: (each.report.name, each.report.id))

    def leave(self, gate_id: str) -> bool:
        """See ``MaintenanceStore``."""
        self._fail()
        return self._gates.pop(gate_id, None) is not None

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
