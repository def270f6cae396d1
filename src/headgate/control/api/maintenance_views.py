"""Directives and gates as the admin API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from headgate.control.api.maintenance_schema import (
    Gate,
    ShownPark,
    ShownReadOnly,
    StateName,
    Upstream,
    UpstreamGate,
)
from headgate.maintenance import Directive, Park, ParkState, ReadOnly
from headgate.maintenance.changes import clock, park_in_force, read_only_in_force
from headgate.stores.maintenance import RegisteredGate, UpstreamReport

MISSING_SECONDS: Final = 60.0
"""A gate that has not reported for so long may be gone."""
_NOTHING: Final = UpstreamReport(0, ParkState.SERVING.value, 0, 0)


def upstream_shown(
    directive: Directive, gates: Sequence[RegisteredGate], own_gate: str, now: float
) -> Upstream:
    """An upstream with all of the gates that serve it.

    Args:
        directive: what is asked of it.
        gates: those that are registered.
        own_gate: the id of the gate that shows it.  While that one is not registered, nobody can
            say that all have acknowledged.
        now: seconds since the epoch.
    """
    park = park_in_force(directive, now)
    concerned = [
        (each, each.report.upstreams.get(directive.upstream, _NOTHING))
        for each in gates
        # A gate with other upstreams has none of this name; of one with none nothing is known.
        if directive.upstream in each.report.upstreams or not each.report.upstreams
    ]
    is_acknowledged = any(each.report.id == own_gate for each, _ in concerned) and all(
        each.silent <= MISSING_SECONDS and stands.revision >= directive.asked
        for each, stands in concerned
    )
    is_drained = (
        park is not None
        and now < park.ends_at
        and is_acknowledged
        and not any(stands.in_flight for _, stands in concerned)
    )
    return Upstream(
        name=directive.upstream,
        state=_state(park, now, is_drained=is_drained, stands=(stands for _, stands in concerned)),
        revision=directive.revision,
        park=None if park is None else _park_shown(park),
        read_only=_read_only_shown(read_only_in_force(directive, now)),
        gates=[_upstream_gate(each, stands, now) for each, stands in concerned],
        acknowledged=is_acknowledged,
        drained=is_drained,
    )


def gate_shown(gate: RegisteredGate, now: float) -> Gate:
    """A gate."""
    report = gate.report
    return Gate(
        id=report.id,
        name=report.name,
        version=report.version,
        workers=report.workers,
        seen_at=clock(now - gate.silent),
        state="missing" if gate.silent > MISSING_SECONDS else "present",
    )


def _state(
    park: Park | None, now: float, *, is_drained: bool, stands: Iterable[UpstreamReport]
) -> StateName:
    """What is asked, and whether all gates have come there."""
    if park is not None and now >= park.ends_at:
        return "refusing"
    if park is not None:
        return "parked" if is_drained else "draining"
    there = {each.state for each in stands}
    return "serving" if there <= {ParkState.SERVING.value} else "releasing"


def _upstream_gate(gate: RegisteredGate, stands: UpstreamReport, now: float) -> UpstreamGate:
    report = gate.report
    is_missing = gate.silent > MISSING_SECONDS
    return UpstreamGate(
        id=report.id,
        name=report.name,
        version=report.version,
        workers=report.workers,
        seen_at=clock(now - gate.silent),
        revision=stands.revision,
        state="missing" if is_missing else ParkState(stands.state).value,
        in_flight=stands.in_flight,
        waiting=stands.waiting,
        writing=stands.writing,
    )


def _park_shown(park: Park) -> ShownPark:
    return ShownPark(
        id=park.id,
        by=park.by,
        sentence=park.sentence,
        started_at=clock(park.started_at),
        ends_at=clock(park.ends_at),
        lease=park.lease,
        admits=park.admits or None,
    )


def _read_only_shown(found: ReadOnly | None) -> ShownReadOnly | None:
    if found is None:
        return None
    return ShownReadOnly(
        id=found.id,
        by=found.by,
        sentence=found.sentence,
        started_at=clock(found.started_at),
        ends_at=clock(found.ends_at),
    )
