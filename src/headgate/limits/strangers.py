"""Failed authentications of each address: beyond a rate they get 429 in place of 401.

Credentials are always checked first, so a client with good ones is let in from any address, also
from that of a proxy behind which another one guesses keys.  The rate holds for all workers
together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from headgate.errors import Refusal
from headgate.events import AuthenticationThrottled, Emit
from headgate.limits.addresses import neighbourhood
from headgate.limits.buckets import Buckets
from headgate.limits.gcra import UNLIMITED, Rate
from headgate.reasons import Reason

REPORT_SECONDS: Final = 10.0
"""The shortest time between two events of a worker."""
MAX_ADDRESSES: Final = 1000
"""Addresses told apart between two events."""
_FAILED: Final = 401
_GOOD_ONCE: Final = frozenset(
    {Reason.KEY_REVOKED, Reason.KEY_EXPIRED, Reason.PRINCIPAL_DISABLED, Reason.TOKEN_EXPIRED}
)
"""Credentials that the gate knows: who shows them does not guess, and needs the message."""


class Strangers:
    """Throttles those who fail to authenticate.

    Args:
        rate: of one address; ``configure`` replaces it.
        buckets: the memory that all workers share, with nothing else in it.
        clock: seconds, on a clock that all workers share.
        emit: takes the events.
    """

    def __init__(
        self, rate: Rate, buckets: Buckets, clock: Callable[[], float], emit: Emit
    ) -> None:
        self._rate = rate
        self._buckets: Final = buckets
        self._clock: Final = clock
        self._emit: Final = emit
        self._recent: dict[str, int] = {}
        self._due = 0.0

    def configure(self, rate: Rate) -> None:
        """Hold new requests to another rate."""
        self._rate = rate

    def judge(self, refusal: Refusal, address: str) -> Refusal:
        """The refusal that a client gets whose credentials are not good.

        Args:
            refusal: why they were; counted if that is the client's fault, and they never were.
            address: the client's.
        """
        if refusal.code != _FAILED or refusal.reason in _GOOD_ONCE or self._rate is UNLIMITED:
            return refusal
        # With the rate in its name a bucket begins full when the rate has changed.
        bucket = self._buckets.bucket(f"{neighbourhood(address)} {self._rate}")
        seconds = self._buckets.take(bucket, self._rate, self._clock())
        if seconds <= 0.0:
            return refusal
        if address in self._recent or len(self._recent) < MAX_ADDRESSES:
            self._recent[address] = self._recent.get(address, 0) + 1
        after = max(1, math.ceil(seconds))
        return replace(
            _throttled(address, after), detail=f"{refusal.reason.value} {refusal.detail}".strip()
        )

    def report(self, now: float) -> None:
        """Emit what was throttled since the last event; ``now`` is in seconds."""
        if not self._recent or now < self._due:
            return
        self._due = now + REPORT_SECONDS
        recent, self._recent = self._recent, {}
        most = max(recent, key=recent.__getitem__)
        self._emit(AuthenticationThrottled(most, recent[most], sum(recent.values()), len(recent)))


def _throttled(address: str, after: int) -> Refusal:
    return Refusal(
        Reason.AUTH_THROTTLED,
        f"Headgate refused the request: its credentials are not good, and too many requests from "
        f"{address} have failed to authenticate. Good credentials are accepted from there all the "
        f"same. Check the key or token of this client; try again in {after} s.",
        retry_after=after,
    )
