"""What one principal may take: a share of the requests under way, and a rate for each class.

The share is of one worker's ``limits.in_flight``.  It is in force while another principal sends
requests: one that is alone may have all, but for clients without a key.  The rates hold for all
workers of the gate together.  The gate's own pages are exempt, since they must respond most of all
when a client is out of hand.
"""

from __future__ import annotations

import math
from typing import Final

from headgate.errors import Refusal
from headgate.limits.buckets import Bucket, Buckets
from headgate.limits.request_limits import RETRY_SECONDS, Limit
from headgate.limits.rules import Rules, Terms
from headgate.limits.tally import IN_FLIGHT, Tally
from headgate.model import REQUEST_CLASSES, Grants, Operation, Principal, RequestClass
from headgate.reasons import Reason

ALONE_SECONDS: Final = 10.0
"""A principal is alone when no other one has sent a request for this long."""
MAX_HELD: Final = 4096
"""Principals that a worker remembers without a request of theirs under way."""


class _Holder:
    """What a worker knows of one principal."""

    __slots__ = ("buckets", "grants", "in_flight", "terms")

    def __init__(self, grants: Grants, terms: Terms) -> None:
        self.in_flight = 0
        self.grants: Grants | None = grants
        self.terms = terms
        self.buckets: list[Bucket | None] = [None for _ in REQUEST_CLASSES]


class PrincipalLimits(Limit):
    """The limits of each principal, in one worker.

    Args:
        rules: what they are; ``configure`` replaces them.
        buckets: the memory that all workers share.
        tally: counts what is refused.
    """

    def __init__(self, rules: Rules, buckets: Buckets, tally: Tally) -> None:
        self._rules = rules
        self._buckets: Final = buckets
        self._tally: Final = tally
        self._holders: Final[dict[str, _Holder]] = {}
        self._last: _Holder | None = None  # whose request was the last
        self._others_until = 0.0  # when the last one was of another than the one before it
        self._terms: Final[dict[tuple[str, ...], Terms]] = {}

    def configure(self, rules: Rules) -> None:
        """Hold new requests to other rules; a bucket whose rate is the same stays as it is."""
        self._rules = rules
        self._terms.clear()
        for holder in self._holders.values():
            holder.grants = None
            holder.buckets = [None for _ in REQUEST_CLASSES]

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        """See ``Limit``; ``now`` is on a clock that all workers share."""
        if operation.gate_page:
            return None
        holder = self._holders.get(principal.id)
        if holder is None or holder.grants is not principal.grants:
            holder = self._hold(principal, holder)
        terms = holder.terms
        if holder is not self._last:
            self._turn_to(holder, principal, now)
        if holder.in_flight >= terms.most and (now < self._others_until or not principal.id):
            return self._over_share(principal, terms)
        if terms.has_rates:
            of = operation.request_class
            if of is not None:
                rate = terms.rates[of.at]
                if rate is not None:
                    bucket = holder.buckets[of.at]
                    if bucket is None:
                        bucket = self._bucket(principal, of, holder)
                    seconds = self._buckets.take(bucket, rate, now)
                    if seconds > 0.0:
                        return self._over_rate(principal, of, str(rate), seconds)
        holder.in_flight += 1
        return None

    def on_overload(self, principal: Principal, now: float) -> None:
        """There is no room for a request of a principal, whose share is kept free from now on."""
        holder = self._holders.get(principal.id) or self._hold(principal, None)
        self._turn_to(holder, principal, now)

    def _turn_to(self, holder: _Holder, principal: Principal, now: float) -> None:
        if principal.id and holder is not self._last:  # without a key there is no claim
            if self._last is not None:
                self._others_until = now + ALONE_SECONDS
            self._last = holder

    def release(self, principal: Principal, operation: Operation) -> None:
        """See ``Limit``."""
        if not operation.gate_page:
            self._holders[principal.id].in_flight -= 1

    def weight(self, principal: Principal) -> float:
        """Of the requests of a principal in the queue of an upstream."""
        return self._terms_of(principal).weight

    def _hold(self, principal: Principal, holder: _Holder | None) -> _Holder:
        terms = self._terms_of(principal)
        if holder is not None:
            holder.grants, holder.terms = principal.grants, terms
            return holder
        if len(self._holders) >= MAX_HELD:
            idle = [name for name, each in self._holders.items() if not each.in_flight]
            for name in idle:
                del self._holders[name]
        made = self._holders[principal.id] = _Holder(principal.grants, terms)
        return made

    def _terms_of(self, principal: Principal) -> Terms:
        roles = principal.grants.roles
        terms = self._terms.get(roles)
        if terms is None:
            terms = self._terms[roles] = self._rules.terms(roles)
        return terms

    def _bucket(self, principal: Principal, of: RequestClass, holder: _Holder) -> Bucket:
        # No id has a space, so that no two names are equal.
        name = f"{principal.id} {of.name} {self._rules.fingerprint(of.at)}"
        bucket = holder.buckets[of.at] = self._buckets.bucket(name)
        return bucket

    def _over_share(self, principal: Principal, terms: Terms) -> Refusal:
        self._tally.refused(IN_FLIGHT, principal)
        return Refusal(
            Reason.RATE_LIMITED,
            f"Headgate refused the request: {_named(principal)} more requests under way than one "
            f"principal's share (limits.in_flight_share), which is {terms.most}. Nothing was sent "
            "to MLflow; send this request again in a moment, and fewer at a time.",
            retry_after=RETRY_SECONDS,
            detail=f"{terms.most} in flight, {terms.share:g} of limits.in_flight",
        )

    def _over_rate(
        self, principal: Principal, of: RequestClass, rate: str, seconds: float
    ) -> Refusal:
        self._tally.refused(of.name, principal)
        after = max(1, math.ceil(seconds))
        return Refusal(
            Reason.RATE_LIMITED,
            f"Headgate refused the request: {_named(principal)} reached the rate limit of the "
            f"class {of.name} ({rate}). Nothing was sent to MLflow; send this request again in "
            f"{after} s, and fewer in the same time.",
            retry_after=after,
            detail=f"{of.name}: {rate}",
        )


def _named(principal: Principal) -> str:
    return f"'{principal.name}' has" if principal.id else "clients without a key have"
