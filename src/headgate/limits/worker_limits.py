"""The limits of one worker, with what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.events import Emit
from headgate.limits.buckets import CELL_BYTES, Buckets
from headgate.limits.gcra import Rate
from headgate.limits.principal_limits import PrincipalLimits
from headgate.limits.request_limits import RequestLimits
from headgate.limits.rules import Rules
from headgate.limits.strangers import Strangers
from headgate.limits.tally import Tally

_NOTHING: Final = Rules(1)
_ONE_A_SECOND: Final = Rate(1, 1)
_OWN_SLOTS: Final = 64


class SharedBuckets:
    """What all workers of a gate share: the buckets of principals, and those of strangers.

    A stranger can make as many buckets as it has addresses; those of principals are apart, so that
    none of them is lost to that.

    Args:
        principals: numbers in shared memory; see ``Buckets``.
        strangers: the same.
        key: random.
    """

    def __init__(
        self, principals: memoryview[float], strangers: memoryview[float], key: bytes
    ) -> None:
        self.principals: Final = Buckets(principals, key)
        self.strangers: Final = Buckets(strangers, key)


def own_buckets() -> SharedBuckets:
    """Buckets that nobody shares."""
    size = 2 * _OWN_SLOTS * CELL_BYTES
    return SharedBuckets(
        memoryview(bytearray(size)).cast("d"), memoryview(bytearray(size)).cast("d"), b""
    )


class WorkerLimits:
    """The limits of one worker; nothing is allowed before ``configure``.

    Args:
        shared: what all workers share.
        clock: seconds, on a clock that all workers share.
        emit: takes the events.

    Attributes:
        tally: counts what principals are refused.
        principals: the limits of each principal.
        strangers: the limit of failed authentications.
        requests: decides which requests may begin.
    """

    def __init__(self, shared: SharedBuckets, clock: Callable[[], float], emit: Emit) -> None:
        self.tally: Final = Tally(emit)
        self.principals: Final = PrincipalLimits(_NOTHING, shared.principals, self.tally)
        self.strangers: Final = Strangers(_ONE_A_SECOND, shared.strangers, clock, emit)
        self.requests: Final = RequestLimits(1, principals=self.principals)

    def configure(self, rules: Rules, failures: Rate) -> None:
        """Hold new requests to these rules, and strangers to this rate."""
        self.principals.configure(rules)
        self.strangers.configure(failures)
        self.requests.configure(rules.max_in_flight)

    def report(self, now: float) -> None:
        """Emit the events that are due; ``now`` is in seconds."""
        self.tally.report(now)
        self.strangers.report(now)
