"""Whether a request that failed is sent again.

The rule above all others: a request that MLflow may have carried out, and would carry out a second
time, is never sent again.  Beyond that, retries are bounded in three ways: attempts and time for
each request, and a budget for all of them together, so that they do not become the load that keeps
an upstream down.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from headgate.model import Retry


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The bounds for one request; times in seconds."""

    attempts: int
    """Altogether, the first included."""
    total: float
    """From the arrival of a request that is repeated to its response, or to the end of the wait.

    MLflow's client gives up after 120, and waits are looked at once a second.
    """
    reserve: float
    """What an attempt needs to connect and be answered: none begins with less left."""


class RetryDecision(enum.Enum):
    """Send it again, or why not: a clause that fits behind "not sent again:"."""

    AGAIN = "sent again, to another endpoint where there is one"
    RESPONSE_BEGUN = "the client has part of a response"
    MAY_BE_DONE = "MLflow may have carried it out already"
    BODY_GONE = "its body was not kept"
    ATTEMPTS_SPENT = "enough attempts were made"
    TIME_SPENT = "the client would not wait for another attempt"
    BUDGET_SPENT = "too many requests are being sent again already"

    @property
    def again(self) -> bool:
        """Whether to send the request again."""
        return self is RetryDecision.AGAIN


def decide_retry(
    operation: Retry,
    *,
    sent: bool,
    answered: bool,
    repeatable: bool,
    attempts: int,
    elapsed: float,
    budget: bool,
    policy: RetryPolicy,
) -> RetryDecision:
    """Whether a request whose last attempt failed is sent again.

    Args:
        operation: what the contract says of repeating it.
        sent: whether any attempt may have brought a byte of the request to MLflow.
        answered: whether the client has been sent any byte of a response.
        repeatable: whether the part of the request's body that was sent is still at hand.
        attempts: how many were made.
        elapsed: seconds since the request came.
        budget: whether the cluster's budget allows one more (``Cluster.may_retry``).
        policy: the bounds.
    """
    if answered:
        return RetryDecision.RESPONSE_BEGUN
    if sent and operation is not Retry.SAFE:
        return RetryDecision.MAY_BE_DONE
    if sent and not repeatable:
        return RetryDecision.BODY_GONE
    if attempts >= policy.attempts:
        return RetryDecision.ATTEMPTS_SPENT
    if elapsed + policy.reserve > policy.total:
        return RetryDecision.TIME_SPENT
    return RetryDecision.AGAIN if budget else RetryDecision.BUDGET_SPENT


class RetryBudget:
    """Bounds the retries under way by a share of the requests under way, as Envoy does."""

    def __init__(self, share: float, least: int) -> None:
        self._share = share
        self._least = least
        self.under_way = 0

    def allows(self, in_flight: int) -> bool:
        """Whether one more retry may start while ``in_flight`` requests are under way."""
        return self.under_way < max(self._least, int(self._share * in_flight))

    def start(self) -> None:
        """Count a retry that starts."""
        self.under_way += 1

    def end(self) -> None:
        """Count it as over.

        Raises:
            ValueError: none was under way.
        """
        if not self.under_way:
            raise ValueError("more retries ended than were started")
        self.under_way -= 1
