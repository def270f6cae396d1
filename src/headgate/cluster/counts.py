"""What has happened in a cluster, in numbers that only grow."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.cluster.reports import Result


class ClusterCounts:
    """The counts of one cluster.

    Attributes:
        results: attempts that have ended, by how.
        probes: health checks that were passed.
        probes_failed: health checks that were not.
        discoveries: look-ups of a source that named endpoints.
        discoveries_failed: look-ups that did not.
    """

    def __init__(self) -> None:
        self.results: dict[Result, int] = dict.fromkeys(Result, 0)
        self.probes = 0
        self.probes_failed = 0
        self.discoveries = 0
        self.discoveries_failed = 0

    def add_results(self, results: Mapping[Result, int]) -> None:
        """Add the attempts at one endpoint."""
        for result, count in results.items():
            self.results[result] += count

    def add_probe(self, *, ok: bool) -> None:
        """Count a health check."""
        if ok:
            self.probes += 1
        else:
            self.probes_failed += 1

    def copy(self) -> ClusterCounts:
        """The counts at this moment."""
        copy = ClusterCounts()
        copy.add_results(self.results)
        copy.probes = self.probes
        copy.probes_failed = self.probes_failed
        copy.discoveries = self.discoveries
        copy.discoveries_failed = self.discoveries_failed
        return copy
