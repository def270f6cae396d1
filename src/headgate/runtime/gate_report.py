"""How a gate stands with what operators ask of upstreams, as it says to the other gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from headgate.maintenance import ParkState, Sharing
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.stores.maintenance import GateReport, RegisteredGate, UpstreamReport

PRESENT_SECONDS: Final = 60.0
"""A gate that has been silent for longer counts as none of those that share an upstream."""


@dataclass(frozen=True, slots=True)
class GateName:
    """What a gate says of itself: its name for a person, the version of Headgate, its fence."""

    name: str
    version: str
    fence: float = 0.0


def gate_report(memory: MaintenanceMemory, gate: GateName) -> GateReport:
    """How a gate stands, as its workers have said."""
    upstreams = {
        name: UpstreamReport(
            each.revision, each.state.value, each.in_flight, each.waiting, each.writing
        )
        for name, each in memory.standings().items()
    }
    return GateReport(
        memory.gate_id, gate.name, gate.version, memory.workers, upstreams, gate.fence
    )


def shared(gates: Iterable[RegisteredGate], own: str) -> Mapping[str, Sharing]:
    """Who shares each upstream in the gates that are there, but for the one with the id ``own``."""
    found: dict[str, Sharing] = {}
    for gate in gates:
        report = gate.report
        if report.id == own or gate.silent > PRESENT_SECONDS:
            continue
        for name, each in report.upstreams.items():
            so_far = found.get(name, Sharing(0))
            waiting = so_far.waiting + each.waiting
            found[name] = Sharing(so_far.workers + report.workers, waiting)
    return found


def serves(report: GateReport) -> bool:
    """Whether every upstream is in its usual state, in every worker."""
    return all(each.state == ParkState.SERVING.value for each in report.upstreams.values())


def sketch(report: GateReport) -> Mapping[str, tuple[int, str]]:
    """What of a report is worth a change of the store while nothing is asked."""
    return {name: (each.revision, each.state) for name, each in report.upstreams.items()}
