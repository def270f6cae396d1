"""GCRA, the generic cell rate algorithm: a token bucket that is one number.

A bucket is its theoretical arrival time (TAT): the moment at which it would be full again, in the
seconds of whatever clock the caller uses.  A request may begin if the TAT is at most ``burst - 1``
intervals ahead of now, and moves it on by one interval.  One that is refused moves nothing, so a
client that keeps trying is not punished for it.  (ITU-T I.371, annex A, as "virtual scheduling".)
"""

from __future__ import annotations

from typing import Final

_SLACK: Final = 0.01
"""Of an interval, for the rounding of many additions: the last of a burst is not lost to it."""


class Rate:
    """So many requests a second in the long run, of which ``burst`` may come together.

    Args:
        per_second: more than 0.
        burst: at least 1.

    Raises:
        ValueError: out of these bounds.
    """

    __slots__ = ("allowed", "burst", "interval", "per_second", "tolerance")

    def __init__(self, per_second: float, burst: int) -> None:
        if not 0 < per_second < float("inf"):
            raise ValueError(f"a rate of {per_second} a second")
        if burst < 1:
            raise ValueError(f"a burst of {burst}")
        self.per_second: Final = per_second
        self.burst: Final = burst
        self.interval: Final = 1.0 / per_second
        self.tolerance: Final = (burst - 1) / per_second
        self.allowed: Final = (burst - 1 + _SLACK) / per_second

    def __str__(self) -> str:
        return f"{self.per_second:g} per second, burst {self.burst}"


UNLIMITED: Final = Rate(1e12, 1)
"""Stands for no limit."""


def wait(tat: float, now: float, rate: Rate) -> float:
    """Seconds until a bucket with this TAT takes one more request; 0.0: it does now."""
    ahead = tat - now
    return ahead - rate.tolerance if ahead > rate.allowed else 0.0


def moved_on(tat: float, now: float, rate: Rate) -> float:
    """The TAT after one request that was taken ``now``."""
    return (tat if tat > now else now) + rate.interval


def brought_back(tat: float, now: float, rate: Rate) -> float:
    """A TAT that was counted at another rate, at most as far ahead as an empty bucket's.

    Without this, a bucket emptied at a slow rate would stay empty at a faster one.
    """
    return min(tat, now + rate.tolerance + rate.interval)
