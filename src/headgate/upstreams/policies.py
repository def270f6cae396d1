"""The policies that the settings of an upstream ask for: defaults stand in the configuration."""

from __future__ import annotations

from typing import Final

from pydantic import ByteSize

from headgate.cluster import ClusterPolicy, Result, RetryPolicy
from headgate.config import Upstream
from headgate.contract import Dialect
from headgate.dataplane.terms import UpstreamCredentials, UpstreamTerms
from headgate.maintenance import ParkingPolicy
from headgate.model import SizeClass

EJECTING: Final = frozenset({Result.CONNECT_FAILED, Result.RESET})
MEMORY_SECONDS: Final = 300.0


def cluster_policy(settings: Upstream) -> ClusterPolicy:
    """How its endpoints are judged and chosen."""
    probes, balance = settings.probes, settings.balance
    return ClusterPolicy(
        probe_interval=probes.interval,
        probe_timeout=probes.timeout,
        unhealthy_after=probes.unhealthy_after,
        healthy_after=probes.healthy_after,
        ejecting=EJECTING,
        ejection_after=balance.ejection_after,
        base_ejection=balance.ejection_time,
        max_ejection=balance.max_ejection_time,
        max_ejected_share=balance.max_ejected_share,
        memory=MEMORY_SECONDS,
        max_in_flight=balance.max_in_flight,
        queue_size=balance.queue_size,
        queue_timeout=balance.queue_timeout,
        retry_share=settings.retries.share,
        min_retries=settings.retries.minimum,
        slow_start=balance.slow_start,
        zone=balance.zone,
        fail_open=True,
    )


def parking_policy(settings: Upstream) -> ParkingPolicy:
    """How its requests are held while it is parked."""
    parking = settings.parking
    return ParkingPolicy(
        hold=parking.hold,
        export_hold=parking.export_hold,
        queue_size=parking.queue_size,
        release_limit=parking.release_limit,
        release_max=parking.release_max,
    )


def retry_policy(settings: Upstream) -> RetryPolicy:
    """Begin no attempt whose connection might only come when the client has given up."""
    retries = settings.retries
    reserve = max(retries.total / 10, settings.connect_timeout)
    return RetryPolicy(retries.attempts, retries.total, reserve)


def upstream_terms(
    settings: Upstream, dialect: Dialect, credentials: UpstreamCredentials
) -> UpstreamTerms:
    """On which terms it is spoken to."""
    return UpstreamTerms(
        dialect=dialect,
        credentials=credentials,
        body_limits=_body_limits(settings),
        retry_policy=retry_policy(settings),
        silence_timeout=settings.silence_timeout,
    )


def _body_limits(settings: Upstream) -> dict[SizeClass, ByteSize]:
    limits = settings.limits
    given = {
        SizeClass.API: limits.body_bytes,
        SizeClass.TRACES: limits.trace_body_bytes,
        SizeClass.ARTIFACTS: limits.artifact_body_bytes,
    }
    return {size: limit for size, limit in given.items() if limit is not None}
