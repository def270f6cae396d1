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
        first_release: how many requests go on together when the park is over, in each worker.
            Two gates of two workers send 16 so, about as many as one process of MLflow has
            connections to its database (5, and 10 more, by default): with many more it waits for
            itself until it fails.
    """

    hold: float = 100.0
    export_hold: float = 9.0
    queue_size: int = 10_000
    first_release: int = 4

    def longest_hold(self, *, is_export: bool) -> float:
        """For how long a request is held at most."""
        return min(self.hold, self.export_hold) if is_export else self.hold
