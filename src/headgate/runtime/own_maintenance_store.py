"""What operators ask of upstreams of a gate that has no store: it is in the gate's memory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.maintenance import Directive
from headgate.runtime.gate_report import GateName, gate_report
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.stores.maintenance import GateReport, RegisteredGate, RevisionChangedError


class OwnMaintenanceStore:
    """A ``MaintenanceStore`` in the memory of a gate that has no other, for itself alone.

    Args:
        memory: of the gate.
        gate: what the gate says of itself.
    """

    def __init__(self, memory: MaintenanceMemory, gate: GateName) -> None:
        self._memory = memory
        self._gate = gate

    def close(self) -> None:
        """See ``MaintenanceStore``."""

    def directives(self) -> Mapping[str, Directive]:
        """See ``MaintenanceStore``."""
        return self._memory.directives()

    def put(self, directive: Directive, before: int) -> None:
        """See ``MaintenanceStore``."""
        if not self._memory.put(directive, before):
            raise RevisionChangedError

    def report(self, gate: GateReport) -> None:
        """See ``MaintenanceStore``: its own report needs no keeping, and there is no other."""

    def gates(self) -> Sequence[RegisteredGate]:
        """See ``MaintenanceStore``."""
        return [RegisteredGate(gate_report(self._memory, self._gate), 0.0)]

    def leave(self, gate_id: str) -> bool:
        """See ``MaintenanceStore``: it is there as long as anybody can ask."""
        return gate_id == self._memory.gate_id
