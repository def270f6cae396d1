"""The gate's own pages as an upstream of a data plane: one endpoint that is always there."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from headgate.cluster import Cluster, Found
from headgate.config import Limits, Upstream
from headgate.contract import Dialect
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connections.dial import Dial
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.terms import GATE_BODY_BYTES, PrincipalLines
from headgate.events import discard
from headgate.model import Endpoint, SizeClass
from headgate.upstreams.policies import cluster_policy, upstream_terms


def control_upstream(limits: Limits, dial: Dial) -> Balancer:
    """The upstream of the gate's own pages; it has no name, as no configured upstream is it.

    Args:
        limits: those of the data plane that forwards to it.
        dial: connects to the control application.
    """
    settings = Upstream()
    endpoint = Endpoint("control", 0)
    policy = replace(cluster_policy(settings), probe_interval=0, max_in_flight=limits.connections)
    cluster = Cluster("", policy, random.Random(), discard)  # noqa: S311
    cluster.discovered([Found(endpoint)], "itself", None, time.monotonic())

    def make_pool(endpoint: Endpoint) -> Pool:
        return Pool(
            endpoint,
            settings,
            host_header=b"headgate",
            authorities=frozenset(),
            head_bytes=limits.head_bytes,
            max_fields=limits.headers,
            clock=time.monotonic,
            dial=dial,
        )

    terms = upstream_terms(settings, Dialect(), PrincipalLines("gate"))
    terms = replace(terms, body_limits={SizeClass.API: GATE_BODY_BYTES})
    return Balancer(cluster, make_pool, terms=terms, clock=time.monotonic)
