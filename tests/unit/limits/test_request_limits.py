"""Which requests may begin."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from headgate.errors import Refusal
from headgate.limits import Limit, RequestLimits
from headgate.model import AuthMethod, Operation, Principal
from headgate.reasons import Reason
from headgate.testing.decider import SAFE

ADA = Principal("k_ada", "ada", AuthMethod.KEY)
BOB = Principal("k_bob", "bob", AuthMethod.KEY)
PAGE = replace(SAFE, gate_page=True)
TOO_MANY = Refusal(Reason.RATE_LIMITED, "Too many.")


class Share(Limit):
    """So many requests of each principal at a time."""

    def __init__(self, share: int) -> None:
        self._share = share
        self.held: Counter[str] = Counter()

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        if self.held[principal.id] >= self._share:
            return TOO_MANY
        self.held[principal.id] += 1
        return None

    def release(self, principal: Principal, operation: Operation) -> None:
        self.held[principal.id] -= 1


class Pace(Limit):
    """One request each ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        if now < self._next:
            return TOO_MANY
        self._next = now + self._seconds
        return None

    def release(self, principal: Principal, operation: Operation) -> None:
        """A rate does not depend on it."""


def test_so_many_requests_are_under_way_and_no_more() -> None:
    limits = RequestLimits(2)
    assert [limits.admit(ADA, SAFE, 0.0) for _ in range(2)] == [None, None]
    refusal = limits.admit(BOB, SAFE, 0.0)
    assert refusal is not None
    assert (refusal.reason, refusal.retry_after) == (Reason.OVERLOADED, 2)
    assert limits.in_flight == 2
    limits.release(ADA, SAFE)
    assert limits.admit(BOB, SAFE, 0.0) is None


def test_the_gates_own_pages_respond_when_all_else_is_full() -> None:
    """They count, all the same: a drain waits for them too."""
    limits = RequestLimits(1)
    assert limits.admit(ADA, SAFE, 0.0) is None
    assert limits.admit(ADA, PAGE, 0.0) is None
    assert limits.in_flight == 2


def test_another_concurrency_limit_holds_for_new_requests() -> None:
    limits = RequestLimits(2)
    assert limits.admit(ADA, SAFE, 0.0) is None
    limits.configure(1)
    assert limits.admit(ADA, SAFE, 0.0) is not None
    assert limits.in_flight == 1


def test_a_limit_for_each_principal_fits() -> None:
    share = Share(1)
    limits = RequestLimits(10, [share])
    assert limits.admit(ADA, SAFE, 0.0) is None
    assert limits.admit(ADA, SAFE, 0.0) is TOO_MANY
    assert limits.admit(BOB, SAFE, 0.0) is None
    assert limits.in_flight == 2
    limits.release(ADA, SAFE)
    assert limits.admit(ADA, SAFE, 0.0) is None


def test_what_a_later_limit_refuses_counts_for_none_before_it() -> None:
    share, pace = Share(5), Pace(1.0)
    limits = RequestLimits(10, [share, pace])
    assert limits.admit(ADA, SAFE, 0.0) is None
    assert limits.admit(ADA, SAFE, 0.9) is TOO_MANY
    assert (limits.in_flight, share.held["k_ada"]) == (1, 1)
    assert limits.admit(ADA, SAFE, 1.0) is None
    limits.release(ADA, SAFE)
    limits.release(ADA, SAFE)
    assert (limits.in_flight, share.held["k_ada"]) == (0, 0)
