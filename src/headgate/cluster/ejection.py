"""When failed requests take an endpoint out of service, and for how long.

Envoy calls it outlier detection.  Unlike Envoy's, an ejection is never cut short by a good probe:
that one answers while real requests are reset is what ejections are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.cluster.member import Member
from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.reports import Result

SAYS_NOTHING: Final = frozenset({Result.TIMEOUT, Result.CANCELLED})
"""Results after which a row of failures goes on, unless the policy has them eject."""
MAX_DOUBLINGS: Final = 30
"""Beyond these no sensible ``max_ejection`` lies; it keeps the number small."""


def is_due(member: Member, result: Result, policy: ClusterPolicy) -> bool:
    """Count the result; whether as many in a row were failures as lead to an ejection."""
    if result in policy.ejecting:
        member.errors += 1
        return member.errors >= policy.ejection_after
    if result not in SAYS_NOTHING:
        member.errors = 0
    return False


def may_eject(member: Member, present: Sequence[Member], policy: ClusterPolicy, now: float) -> bool:
    """Only what is in service goes, never the last one that is, and no more than the share."""
    if not member.is_in_service(now) or not policy.max_ejected_share:
        return False
    others = [other for other in present if other is not member]
    ejected = sum(other.is_ejected(now) for other in others)
    most = max(1, int(policy.max_ejected_share * len(present)))
    return ejected < most and any(other.is_in_service(now) for other in others)


def eject(member: Member, policy: ClusterPolicy, now: float) -> float:
    """Take it out, each time twice as long as the time before; returns for how many seconds."""
    if now - member.returned_at >= policy.memory:
        member.consecutive_ejections = 0
    doublings = min(member.consecutive_ejections, MAX_DOUBLINGS)
    member.consecutive_ejections += 1
    member.ejections += 1
    member.ejected_at = now
    seconds: float = min(policy.max_ejection, policy.base_ejection * 2**doublings)
    member.ejected_until = now + seconds
    member.ejection_reason = f"{member.errors} failures in a row, the last: {member.last_error}"
    return seconds
