"""What a store keeps of maintenance: what is asked of upstreams, and which gates follow it.

``tests/unit/stores/test_maintenance_stores.py`` holds every implementation to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from headgate.errors import HeadgateError
from headgate.maintenance import Directive

FENCE_MARGIN: Final = 60.0
"""Seconds for which a gate is waited for after it has cut off its last request: for its looks at
the clock, and for what MLflow still does with a request that was cut off."""


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """How one upstream stands in one gate, all of its workers together.

    Attributes:
        revision: that of the directive which every worker follows.
        state: the state of the worker that is behind the others, as ``headgate.maintenance`` names
            it.
        in_flight: requests that MLflow has not responded to yet.
        waiting: requests that wait at the gate.
        writing: those of ``in_flight`` that may change something, while the upstream is read-only.
    """

    revision: int
    state: str
    in_flight: int
    waiting: int
    writing: int = 0


@dataclass(frozen=True, slots=True)
class GateReport:
    """A gate that follows the store.

    Attributes:
        id: drawn at random at its start: ``g_`` and 8 characters.
        name: its host name and address, for a person.
        version: of Headgate.
        workers: how many.
        upstreams: by their names.
        fence: seconds after which it holds requests unless it reports again; after twice these it
            changes nothing any more.  0: it goes on.
    """

    id: str
    name: str
    version: str
    workers: int
    upstreams: Mapping[str, UpstreamReport] = field(default_factory=dict)
    fence: float = 0.0


@dataclass(frozen=True, slots=True)
class RegisteredGate:
    """What a gate has reported last.

    Attributes:
        report: its report.
        silent: seconds since then, by the clock of the store: those of machines differ.
    """

    report: GateReport
    silent: float

    @property
    def is_gone(self) -> bool:
        """Whether it certainly sends nothing to MLflow any more, as its fence says."""
        fence = self.report.fence
        return fence > 0 and self.silent > 2 * fence + FENCE_MARGIN


class RevisionChangedError(Exception):
    """Somebody else has changed a directive meanwhile."""


class OlderSchemaError(HeadgateError):
    """The store was made by an older Headgate and keeps nothing of maintenance yet."""


class MaintenanceStore(Protocol):
    """Directives and gates; the methods may block.  No change here is one of keys."""

    def directives(self) -> Mapping[str, Directive]:
        """What is asked of each upstream of which anything ever was, by its name.  Cheap.

        Raises:
            OlderSchemaError: the store has no place for it yet.
            HeadgateError: the store cannot be read.
        """
        ...

    def put(self, directive: Directive, before: int) -> None:
        """Keep a directive in place of the one with revision ``before``, or of none for 0.

        Raises:
            RevisionChangedError: the one that is kept has another revision.
            HeadgateError: the store cannot be written.
        """
        ...

    def report(self, gate: GateReport) -> None:
        """Keep how a gate stands, in place of what it reported before.

        Raises:
            HeadgateError: the store cannot be written.
        """
        ...

    def gates(self) -> Sequence[RegisteredGate]:
        """The gates that have reported and have not left, by their names.

        Raises:
            HeadgateError: the store cannot be read.
        """
        ...

    def leave(self, gate_id: str) -> bool:
        """Forget a gate that stops, or one that an operator says is gone; whether it was there.

        Raises:
            HeadgateError: the store cannot be written.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds; it cannot be used afterwards."""
        ...
