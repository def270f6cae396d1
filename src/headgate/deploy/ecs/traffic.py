"""Whether the traffic after a deployment is worse than before it, from the load balancer's view.

Two rules, and each needs enough requests: a few slow or failed ones say nothing of a revision.

- 5xx: the part of the requests that fail is more than twice what it was, counted from
  ``RATE_FLOOR`` up, with at least ``ERRORS_FLOOR`` failures.
- p99: the time is more than twice what it was, counted from ``P99_FLOOR`` up.  It is compared
  only where both windows have enough requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate.deploy.ecs.records import Traffic

FACTOR: Final = 2.0
"""More than this many times the value before is worse."""

REQUESTS_FLOOR: Final = 100
"""Fewer requests than this in a window are not judged."""

ERRORS_FLOOR: Final = 10
"""Fewer failed requests than this never count as worse."""

RATE_FLOOR: Final = 0.005
"""A rate of failed requests before below this counts as this."""

P99_FLOOR: Final = 0.25
"""A p99 before below this, in seconds, counts as this."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the comparison says.

    ``judged`` is False where there were too few requests; ``worse`` is why it is worse, or empty.
    """

    judged: bool
    worse: str = ""


def judge(before: Traffic, after: Traffic) -> Judgement:
    """Compare the traffic after a deployment with that before it."""
    if after.requests < REQUESTS_FLOOR:
        return Judgement(judged=False)
    return Judgement(judged=True, worse=_worse_errors(before, after) or _worse_p99(before, after))


def _worse_errors(before: Traffic, after: Traffic) -> str:
    reliable = before.error_rate if before.requests >= REQUESTS_FLOOR else 0.0
    limit = FACTOR * max(reliable, RATE_FLOOR)
    if after.server_errors < ERRORS_FLOOR or after.error_rate <= limit:
        return ""
    return (
        f"{after.error_rate:.1%} of {after.requests:.0f} requests ended with a 5xx status, "
        f"{before.error_rate:.1%} of {before.requests:.0f} before; {limit:.1%} is the limit"
    )


def _worse_p99(before: Traffic, after: Traffic) -> str:
    if before.p99 is None or after.p99 is None or before.requests < REQUESTS_FLOOR:
        return ""
    limit = FACTOR * max(before.p99, P99_FLOOR)
    if after.p99 <= limit:
        return ""
    return (
        f"the p99 of {after.requests:.0f} requests is {after.p99:.2f} s, "
        f"{before.p99:.2f} s before; {limit:.2f} s is the limit"
    )


def in_words(traffic: Traffic) -> str:
    """``1200 requests, 0.1% with a 5xx status, p99 0.31 s``."""
    if not traffic.requests:
        return "no requests"
    p99 = "" if traffic.p99 is None else f", p99 {traffic.p99:.2f} s"
    return f"{traffic.requests:.0f} requests, {traffic.error_rate:.1%} with a 5xx status{p99}"
