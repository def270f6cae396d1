"""Clusters as the health pages meet them."""

from __future__ import annotations

from random import Random

from headgate.cluster import Cluster, ClusterSnapshot, Found, ProbeResult
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure
from headgate.testing.policies import cluster_policy

ADDRESS = "10.0.0.7:5000"


def cluster(
    name: str = "default",
    *,
    well: bool = True,
    found: bool = True,
    full: bool = False,
    stale: bool = False,
) -> ClusterSnapshot:
    """How a cluster of one endpoint stands.

    ``found``: discovery has named it; ``stale``: but fails now; ``full``: it is at its concurrency
    limit.
    """
    policy = cluster_policy(max_in_flight=1)
    made = Cluster(name, policy, Random(0), lambda _event: None)  # noqa: S311
    endpoint = Endpoint("10.0.0.7", 5000)
    source = "DNS mlflow.internal"
    if not found:
        failure = DiscoveryFailure.NAME_UNKNOWN
        made.discovery_failed(source, failure, "the name does not exist (NXDOMAIN)", 0)
        return made.snapshot(2)
    made.discovered([Found(endpoint)], source, 5, 0)
    made.probed(endpoint, ProbeResult(well, 0.01, "GET /health", "3.17.2"), 1)
    if full:
        made.acquire(endpoint)
    if stale:
        made.discovery_failed(
            source, DiscoveryFailure.RESOLVER_SILENT, "no resolver responded within 5 s", 1
        )
    return made.snapshot(2)
