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
from headgate.limits.rules import Rules, Terms
from headgate.limits.tally import IN_FLIGHT, Tally
from headgate.model import REQUEST_CLASSES, Grants, Operation, Principal, RequestClass
from headgate.reasons import Reason

RETRY_SECONDS: Final = 2
"""``Retry-After`` of a request that was refused since too many are under way."""
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


class PrincipalLimits:
    """The limits of each principal, in one worker.

    A client sends its requests one after another, so the principal of the last one is found
    without a look-up.

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
        self._terms: Final[dict[tuple[str, ...], Terms]] = {}
        self._last_principal: Principal | None = None
        self._last: _Holder | None = None  # what is known of it
        self._others_until = 0.0  # when the last one was of another than the one before it

    def configure(self, rules: Rules) -> None:
        """Hold new requests to other rules; a bucket whose rate is the same stays as it is."""
        self._rules = rules
        self._terms.clear()
        self._last_principal = None
        for holder in self._holders.values():
            holder.grants = None
            holder.buckets = [None for _ in REQUEST_CLASSES]

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        """Count a request, or say why it may not begin; then it is not counted.

        Args:
            principal: who sends it.
            operation: what it asks for.
            now: when its head was complete, in seconds on a clock that all workers share.
        """
        if operation.gate_page:
            return None
        holder = self._last
        if holder is None or principal is not self._last_principal:
            holder = self._turn_to(principal, now)
        terms = holder.terms
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
        self._turn_to(principal, now)

    def release(self, principal: Principal, operation: Operation) -> None:
        """A request that was counted has ended, or is refused by another limit."""
        if operation.gate_page:
            return
        holder = self._last
        if holder is None or principal is not self._last_principal:
            holder = self._holders[principal.id]
        holder.in_flight -= 1

    def resume(self, principal: Principal, operation: Operation) -> None:
        """Count one again that was let begin and was released for a while."""
        if operation.gate_page:
            return
        holder = self._holders.get(principal.id) or self._hold(principal)
        holder.in_flight += 1

    def weight(self, principal: Principal) -> float:
        """Of the requests of a principal in the queue of an upstream."""
        return self._terms_of(principal).weight

    def _turn_to(self, principal: Principal, now: float) -> _Holder:
        """What is known of a principal, which is another than that of the last request."""
        holder = self._holders.get(principal.id)
        if holder is None:
            holder = self._hold(principal)
        elif holder.grants is not principal.grants:
            holder.grants, holder.terms = principal.grants, self._terms_of(principal)
        if principal.id:  # without a key there is no claim
            if holder is not self._last:
                if self._last is not None:
                    self._others_until = now + ALONE_SECONDS
                self._last = holder
            self._last_principal = principal
        return holder

    def _hold(self, principal: Principal) -> _Holder:
        if len(self._holders) >= MAX_HELD:
            idle = [name for name, each in self._holders.items() if not each.in_flight]
            for name in idle:
                del self._holders[name]
            # It may be among them, and would be counted apart from its next request.
            self._last = self._last_principal = None
        made = _Holder(principal.grants, self._terms_of(principal))
        self._holders[principal.id] = made
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
