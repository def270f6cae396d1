"""Why no endpoint is available, and when a retry may succeed."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headgate.cluster.member import Member, State
from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.sources import Source
from headgate.symptoms import DiscoveryFailure

MAX_NAMED: Final = 4
"""Endpoints that a message names one by one."""
MAX_RETRY_AFTER: Final = 30
"""Seconds; MLflow's client gives up after 120 altogether."""


class Why(enum.StrEnum):
    """The cause; the last two are what operators ask for, and not known here."""

    NONE_KNOWN = "none_known"
    UNHEALTHY = "unhealthy"
    EJECTED = "ejected"
    FULL = "full"
    PARKED = "parked"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No endpoint is available.

    ``text`` is a clause for a person that names what was considered, addresses included;
    ``retry_after`` is whole seconds.  ``failure``: of discovery, where no endpoint is known.
    """

    why: Why
    retry_after: int
    text: str
    failure: DiscoveryFailure | None = None


def none_known(sources: Sequence[Source]) -> Unavailable:
    """Discovery has not named a single endpoint."""
    said = "; ".join(f"{source.name}: {source.last_error}" for source in sources)
    failures = [source.last_failure for source in sources if source.last_failure is not None]
    return Unavailable(
        Why.NONE_KNOWN,
        2,
        f"no endpoint is known ({said or 'not looked up yet'})",
        failures[0] if failures else None,
    )


def all_full(members: Sequence[Member], policy: ClusterPolicy) -> Unavailable:
    """Every endpoint in service is at its concurrency limit."""
    count = len(members)
    which = f"{members[0].endpoint} is full" if count == 1 else f"all {count} endpoints are full"
    return Unavailable(Why.FULL, 1, f"{which} ({policy.max_in_flight} requests under way at each)")


def all_out(members: Sequence[Member], policy: ClusterPolicy, now: float) -> Unavailable:
    """Every endpoint is ejected or unhealthy."""
    probed = [m for m in members if m.state(now) is State.UNHEALTHY]
    if probed:
        wait = policy.probe_interval
    else:
        wait = min(member.ejected_until for member in members) - now
    return Unavailable(
        Why.UNHEALTHY if probed else Why.EJECTED,
        max(1, min(MAX_RETRY_AFTER, math.ceil(wait))),
        _list([_describe(member, now) for member in members]),
    )


def _describe(member: Member, now: float) -> str:
    why = member.reason(now)
    if member.is_ejected(now):
        return f"{member.endpoint} is ejected for {member.ejected_until - now:.0f} s more: {why}"
    return f"{member.endpoint} is unhealthy for {now - member.since(now):.0f} s: {why}"


def _list(clauses: Sequence[str]) -> str:
    more = len(clauses) - MAX_NAMED
    text = "; ".join(clauses[:MAX_NAMED])
    return f"{text}; and {more} more" if more > 0 else text
