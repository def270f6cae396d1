"""Carries what operators ask of upstreams to those of one worker, and says how these stand.

Each worker looks at the gate's memory twice a second; ``maintenance_follower.py`` brings there what
the store has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from headgate.maintenance import Directive, Standing, UpstreamMaintenance, merged
from headgate.runtime.fence import Fence
from headgate.runtime.maintenance_memory import MaintenanceMemory


class Parked(Protocol):
    """An upstream in a worker."""

    @property
    def maintenance(self) -> UpstreamMaintenance:
        """What follows its directive."""
        ...


class WorkerMaintenance:
    """What one worker follows.

    Args:
        memory: of the gate.
        worker: which worker this is.
        fence: holds requests of a gate that the store has not heard of; by default it goes on.
    """

    def __init__(self, memory: MaintenanceMemory, worker: int, fence: Fence | None = None) -> None:
        self.memory: Final = memory
        self._fence: Final = fence
        self._worker: Final = worker
        self._upstreams: Callable[[], Iterable[Parked]] = tuple
        self._changes = 0
        self._directives: Mapping[str, Directive] = {}
        self._said: Mapping[str, Standing] | None = None
        memory.start(worker)

    def follow(self, upstreams: Callable[[], Iterable[Parked]]) -> None:
        """From now on carry directives to these; one name may be there several times.

        To be called before the first request is served.
        """
        self._upstreams = upstreams
        self.look()

    def look(self) -> None:
        """Carry on what has changed; to be called twice a second, and after a reload."""
        # First of all: what lifts the fence was read from the store before.
        fence = None if self._fence is None else self._fence.look(self.memory.heard_at)
        changes = self.memory.changes
        if changes != self._changes:
            self._directives = self.memory.directives()
            self._changes = changes
        parts: dict[str, list[Standing]] = {}
        for each in self._upstreams():
            maintenance = each.maintenance
            name = maintenance.directive.upstream
            if changes or fence is not None:
                asked = self._directives.get(name) or Directive(name)
                directive = asked if fence is None else fence.held(asked)
                if maintenance.asked or directive != maintenance.directive:
                    maintenance.sharing = self.memory.sharing(self._worker, name)
                maintenance.take(directive)
            parts.setdefault(name, []).append(maintenance.report())
        found = {name: merged(standings) for name, standings in parts.items()}
        if found != self._said:
            self.memory.set(self._worker, found)
            self._said = found

    def end(self) -> bool:
        """The worker has ended its last request; whether it was the last worker of the gate."""
        self.memory.end(self._worker)
        return self.memory.is_empty
