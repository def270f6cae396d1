"""Chooses among endpoints that may all be used: of two random ones, the one with fewer requests.

Two random choices spread the load nearly as evenly as a look at all endpoints, and unlike that look
they do not send every new request of every worker to the same endpoint (Mitzenmacher, "The Power of
Two Choices in Randomized Load Balancing", 2001).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from headgate.cluster.member import Member
from headgate.model import Endpoint

LEAST_WEIGHT: Final = 0.1
"""The share of requests that an endpoint gets at the beginning of its slow start."""


class Rng(Protocol):
    """A source of randomness."""

    def random(self) -> float:
        """A number from 0 up to, but not including, 1."""


def choose(
    members: Sequence[Member], room: int, now: float, rng: Rng, avoid: Collection[Endpoint]
) -> Member | None:
    """A member with less than ``room`` requests under way that is not in ``avoid``, if any."""
    count = len(members)
    if count == 1:
        only = members[0]
        return only if only.in_flight < room and only.endpoint not in avoid else None
    first = int(rng.random() * count)
    second = int(rng.random() * (count - 1))
    if second >= first:
        second += 1
    one = members[first]
    other = members[second]
    if avoid or one.in_flight >= room or other.in_flight >= room:
        free = [m for m in members if m.in_flight < room and m.endpoint not in avoid]
        return choose(free, room, now, rng, ()) if free else None
    # Their order is random, so that a tie goes to either.
    if other.in_flight < one.in_flight:
        one, other = other, one
    if one.warm_at > now:
        # Thinned out by chance, not by adding to its load: on a quiet gate, where loads are zero,
        # a handicap would keep every request away.
        share = _weight(one, now) / _weight(other, now)
        if rng.random() >= share:
            return other
    return one


def _weight(member: Member, now: float) -> float:
    if member.warm_at <= now:
        return 1
    done = (now - member.warming_since) / (member.warm_at - member.warming_since)
    return max(LEAST_WEIGHT, done)
