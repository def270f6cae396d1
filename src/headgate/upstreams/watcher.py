"""Watches the endpoints of one upstream: runs the probes that are due."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from headgate.cluster import Cluster, State
from headgate.contract.snapshots import numbers
from headgate.events import Emit, HealthChecked, discard
from headgate.model import Endpoint
from headgate.tasks import Tasks
from headgate.upstreams.caller import Caller
from headgate.upstreams.probe import Prober

LOOK_SECONDS = 0.2
"""Between two looks at which probes are due."""


class Watcher:
    """Probes each endpoint by itself: one that hangs holds up no other.

    Args:
        cluster: says which probes are due, and takes their results.
        prober: knows what is asked in one.
        caller: asks it.
        timeout: seconds for one probe.
        clock: seconds from an arbitrary start, as the cluster's.
        on_lost: called when a probe has failed and no endpoint responds any more.
        on_version: called after each probe with the oldest version of MLflow that was found.
        emit: takes the events.
    """

    def __init__(
        self,
        cluster: Cluster,
        prober: Prober,
        caller: Caller,
        *,
        timeout: float,
        clock: Callable[[], float],
        on_lost: Callable[[], None],
        on_version: Callable[[str], None],
        emit: Emit = discard,
    ) -> None:
        self._cluster = cluster
        self._prober = prober
        self._caller = caller
        self._timeout = timeout
        self._clock = clock
        self._on_lost = on_lost
        self._on_version = on_version
        self._emit = emit
        self._probed: set[Endpoint] = set()
        self._late: set[Endpoint] = set()

    def start(self, tasks: Tasks) -> None:
        """Watch from now on."""
        tasks.start(self._watch(tasks), f"watch {self._cluster.name}")

    async def _watch(self, tasks: Tasks) -> None:
        while True:
            for endpoint in self._cluster.due_probes(self._clock()):
                if endpoint in self._probed:
                    self._late.add(endpoint)
                else:
                    self._probed.add(endpoint)
                    tasks.start(self._probe(endpoint), f"probe {endpoint}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _probe(self, endpoint: Endpoint) -> None:
        """Probe one, and again immediately if that took so long that the next probe is due."""
        ask = functools.partial(self._caller.call, endpoint, within=self._timeout)
        is_due = True
        try:
            while is_due:
                self._late.discard(endpoint)
                result = await self._prober.probe(endpoint, ask)
                now = self._clock()
                self._cluster.probed(endpoint, result, now)
                self._emit(
                    HealthChecked(
                        self._cluster.name,
                        str(endpoint),
                        result.ok,
                        result.reason,
                        result.latency,
                    )
                )
                if not result.ok and self._cluster.is_lost(now):
                    self._on_lost()
                if version := self._oldest_version(now):
                    self._on_version(version)
                is_due = endpoint in self._late
        finally:
            self._probed.discard(endpoint)

    def _oldest_version(self, now: float) -> str:
        """What the oldest version has, the others have too; empty if none is known."""
        endpoints = self._cluster.snapshot(now).endpoints
        present = [each for each in endpoints if each.state != State.DRAINING]
        versions = [each.mlflow_version for each in present if each.mlflow_version]
        return min(versions, key=numbers, default="")
