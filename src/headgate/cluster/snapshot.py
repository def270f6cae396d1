"""A cluster at one moment, for the health pages.

Ready for JSON by ``dataclasses.asdict``.  The cluster's clock means nothing to a reader, so times
are seconds ago, or seconds left.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.cluster.member import NEVER, Member
from headgate.cluster.sources import Source


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """One endpoint.  ``None``: it has not happened, or is not known.

    ``sources``: those that name it.  ``apis``: what the last probe saw of each API that it used.
    """

    endpoint: str
    sources: tuple[str, ...]
    zone: str | None
    priority: int
    state: str
    state_seconds: float
    reason: str
    available: bool
    in_flight: int
    max_in_flight: int
    probe_seconds_ago: float | None
    probe_latency: float | None
    mlflow_version: str | None
    apis: dict[str, str]
    ejections: int
    ejected_seconds_left: float | None
    last_error: str | None
    last_error_seconds_ago: float | None
    results: dict[str, int]

    @classmethod
    def of(
        cls, member: Member, sources: tuple[str, ...], max_in_flight: int, now: float
    ) -> EndpointSnapshot:
        """Of one moment."""
        probed = member.probed_at != NEVER
        failed = member.last_error_at != NEVER
        return cls(
            endpoint=str(member.endpoint),
            sources=sources,
            zone=member.zone,
            priority=member.priority,
            state=member.state(now).value,
            state_seconds=now - member.since(now),
            reason=member.reason(now),
            available=member.is_available(now, max_in_flight),
            in_flight=member.in_flight,
            max_in_flight=max_in_flight,
            probe_seconds_ago=now - member.probed_at if probed else None,
            probe_latency=member.probe_latency if probed else None,
            mlflow_version=member.version,
            apis={api.value: seen for api, seen in member.apis.items()},
            ejections=member.ejections,
            ejected_seconds_left=member.ejected_until - now if member.is_ejected(now) else None,
            last_error=member.last_error if failed else None,
            last_error_seconds_ago=now - member.last_error_at if failed else None,
            results={result.value: count for result, count in member.results.items()},
        )


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One source of endpoints.

    ``age_seconds``: since its last successful look-up, whose endpoints are in use;
    ``failing_seconds``: for how long it has failed, ``None`` while it does not.
    """

    source: str
    endpoints: int
    age_seconds: float | None
    ttl: float | None
    failing_seconds: float | None
    last_error: str | None
    last_error_seconds_ago: float | None

    @classmethod
    def of(cls, source: Source, now: float) -> SourceSnapshot:
        """Of one moment."""
        return cls(
            source=source.name,
            endpoints=len(source.found),
            age_seconds=_ago(source.answered_at, now),
            ttl=source.ttl,
            failing_seconds=_ago(source.failing_since, now),
            last_error=source.last_error or None,
            last_error_seconds_ago=_ago(source.last_error_at, now),
        )


def _ago(moment: float | None, now: float) -> float | None:
    return now - moment if moment is not None else None


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """A cluster.

    ``available``: how many endpoints may be used now; ``in_service``: the same, full ones
    included; ``failing_open``: none is in service, and requests go to those that are not;
    ``waiting``: queued requests.  ``maintenance``: the state of an upstream of which something is
    asked, empty where nothing is; ``held``: requests that wait for the end of a park;
    ``read_only``: whether writes are refused.
    """

    upstream: str
    available: int
    in_service: int
    failing_open: bool
    in_flight: int
    retries: int
    waiting: int
    sources: tuple[SourceSnapshot, ...]
    endpoints: tuple[EndpointSnapshot, ...]
    maintenance: str = ""
    held: int = 0
    read_only: bool = False
