"""How a parked upstream holds requests: the numbers, in seconds unless said otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParkingPolicy:
    """What one worker does with the requests for a parked upstream.

    Attributes:
        hold: how long a request is held at most, from when its client began to wait.
        export_hold: the same for exports of others than MLflow's client, which wait less long.
        queue_size: how many requests may be held.
        release_limit: how many requests may be under way at MLflow while those that were held go
            on, from all workers of all gates together.
        release_max: how long that may last; then all go on.
        first_release: how many go on together when the park is over, in each worker.
    """

    hold: float = 100.0
    export_hold: float = 9.0
    queue_size: int = 10_000
    release_limit: int = 12
    release_max: float = 900.0
    first_release: int = 4

    def longest_hold(self, *, is_export: bool) -> float:
        """For how long a request is held at most."""
        return min(self.hold, self.export_hold) if is_export else self.hold
