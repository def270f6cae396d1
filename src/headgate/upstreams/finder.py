"""Finds the endpoints of one upstream: runs the adapters of discovery and takes their reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from headgate.cluster import Cluster, Found
from headgate.discovery import Discovery
from headgate.events import DiscoveryAnswered, Emit, InternalError
from headgate.symptoms import DiscoveryFailure
from headgate.tasks import Tasks
from headgate.upstreams.endpoint_names import EndpointNames

RESTART_SECONDS = 2.0
"""Before discovery that has failed by a defect is begun again."""


class Finder:
    """The ``Report`` of an upstream's adapters.

    Args:
        cluster: takes the endpoints that are found.
        adapters: find them.
        names: take the name that led to each.
        clock: seconds from an arbitrary start, as the cluster's.
        emit: takes the events.
    """

    def __init__(
        self,
        cluster: Cluster,
        adapters: Sequence[Discovery],
        names: EndpointNames,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._emit = emit
        self._cluster = cluster
        self._adapters = adapters
        self._names = names
        self._clock = clock
        self._known = asyncio.Event()

    def start(self, tasks: Tasks) -> None:
        """Run the adapters from now on."""
        for each in self._adapters:
            tasks.start(self._discover(each), f"discover {self._cluster.name}")

    def refresh_now(self) -> None:
        """Ask again before it is due: all endpoints may have been replaced."""
        for each in self._adapters:
            each.refresh_now()

    async def known(self) -> None:
        """Return once discovery has reported for the first time, whatever it said."""
        await self._known.wait()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """See ``Report``."""
        self._names.learn(found, source)
        self._cluster.discovered(found, source, ttl, self._clock())
        names = tuple(f"{each.endpoint}" for each in found)
        self._emit(DiscoveryAnswered(self._cluster.name, source, names))
        self._known.set()

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        """See ``Report``."""
        self._cluster.discovery_failed(source, failure, detail, self._clock())
        self._emit(DiscoveryAnswered(self._cluster.name, source, (), detail))
        self._known.set()

    async def _discover(self, adapter: Discovery) -> None:
        while True:
            try:
                await adapter.run(self)
            except Exception as error:  # noqa: BLE001
                # Supervisor: what was found last still counts, and may be found again.
                activity = f"discovering the endpoints of {self._cluster.name}"
                self._emit(InternalError(activity, error))
            await asyncio.sleep(RESTART_SECONDS)
