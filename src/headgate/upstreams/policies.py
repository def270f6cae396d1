"""The policies that the settings of an upstream ask for."""

from __future__ import annotations

from headgate.cluster import ClusterPolicy, RetryPolicy
from headgate.config import Upstream


def cluster_policy(settings: Upstream) -> ClusterPolicy:
    """How its endpoints are judged and chosen."""
    probes, balance = settings.probes, settings.balance
    return ClusterPolicy(
        probe_interval=probes.interval,
        probe_timeout=probes.timeout,
        unhealthy_after=probes.unhealthy_after,
        healthy_after=probes.healthy_after,
        ejection_after=balance.ejection_after,
        base_ejection=balance.ejection_time,
        max_ejection=balance.max_ejection_time,
        max_ejected_share=balance.max_ejected_share,
        max_in_flight=balance.max_in_flight,
        queue_size=balance.queue_size,
        queue_timeout=balance.queue_timeout,
        retry_share=settings.retries.share,
        min_retries=settings.retries.minimum,
        slow_start=balance.slow_start,
        zone=balance.zone,
    )


def retry_policy(settings: Upstream) -> RetryPolicy:
    """Begin no attempt whose connection might only come when the client has given up."""
    retries = settings.retries
    reserve = max(retries.total / 10, settings.connect_timeout)
    return RetryPolicy(retries.attempts, retries.total, reserve)
