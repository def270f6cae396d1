"""When failed requests eject an endpoint, and for how long (Envoy: outlier detection).

Unlike Envoy's, an ejection is never cut short by a successful probe: ejections are for endpoints
that respond to probes while real requests are reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.cluster.member import Member
from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.reports import Result

SAYS_NOTHING: Final = frozenset({Result.TIMEOUT, Result.CANCELLED})
"""Results that neither count as failures nor end a row of them, unless the policy says so."""
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
    """Whether it may go: it is in service, it is not the last one, and the share is not reached."""
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
