"""How a parked upstream holds requests: the numbers, in seconds unless said otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_RETRY_AFTER = 1


@dataclass(frozen=True, slots=True)
class ParkingPolicy:
    """What one worker does with the requests for a parked upstream.

    Attributes:
        hold: how long a request is held at most, from when its client began to wait.
        export_hold: the same for requests of the OpenTelemetry protocol, whose exporters wait
            less long.
        queue_size: how many requests may be held.
        max_retry_after: the longest wait that a refused client is asked for.
        first_release: how many requests go on together when the park is over.
    """

    hold: float = 100.0
    export_hold: float = 7.0
    queue_size: int = 10_000
    max_retry_after: int = 30
    first_release: int = 8

    def longest_hold(self, *, is_export: bool) -> float:
        """For how long a request is held at most."""
        return min(self.hold, self.export_hold) if is_export else self.hold

    def retry_after(self, remaining: float) -> int:
        """After how many whole seconds a refused client is to ask again.

        Args:
            remaining: how long it lasts, where that is known; infinite otherwise.
        """
        if remaining >= self.max_retry_after:
            return self.max_retry_after
        return max(LEAST_RETRY_AFTER, math.ceil(remaining))
