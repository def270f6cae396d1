"""How many of the requests that were held may be under way at MLflow while the others still wait.

The *window* of one worker is bounded by its part of ``ParkingPolicy.release_limit``, which all
workers of all gates share.  The bound is what keeps MLflow whole: a request that has a connection
to MLflow's database and needs a second one waits for others to give theirs back, and where all
connections are held by such requests, none ever does.  With ``c`` connections that cannot happen
to ``c - 1`` requests or fewer that need two.

Below the bound the window follows what MLflow does, since one that has just started is slow: it
doubles in each turn of half a second, but is at most a quarter more than MLflow has responded to
within the last second, so that no request waits for long inside MLflow.  Where nothing ends for a
while it grows by one in each turn.  A failure halves it (additive and multiplicative as in TCP).

Requests that have moved bytes for longer than a turn or four are not what MLflow's database waits
for, such as a large artifact on a slow line: they take up no place in the window.

A release must end, whatever becomes of MLflow: ``LIFT_SECONDS`` before ``release_max`` the bound
begins to double in each turn.
"""

from __future__ import annotations

from typing import Final

from headgate.maintenance.policy import ParkingPolicy

GROWTH: Final = 1.25
"""To how many times what MLflow has responded to within the last second the window may grow."""
QUIET_TURNS: Final = 2
"""Turns in which nothing ends before the window grows all the same."""
LIFT_SECONDS: Final = 15.0
"""How long before the end of a release the bound begins to double."""
MOST: Final = 1 << 30
"""A bound that is none."""


class ReleaseWindow:
    """The window of one worker.

    Args:
        policy: how requests are released.

    Attributes:
        size: how many requests may be under way.
    """

    def __init__(self, policy: ParkingPolicy) -> None:
        self._policy = policy
        self.size = 1
        self._sharers = 1
        self._lifted = 1  # by how many times the bound is exceeded at the end of a release
        self._ended = 0  # in this turn
        self._ended_before = 0  # in the turn before that
        self._failed = False
        self._quiet = 0  # turns in which nothing has ended
        self._more = 0  # places beside those that MLflow's responses allow

    @property
    def bound(self) -> int:
        """How large it may be."""
        return min(MOST, max(1, self._policy.release_limit // self._sharers) * self._lifted)

    def begin(self, sharers: int) -> None:
        """The park is over: a few go on.

        Args:
            sharers: how many workers release requests for the same upstream.
        """
        self._sharers = max(1, sharers)
        self._lifted = 1
        self._ended = self._ended_before = self._quiet = self._more = 0
        self._failed = False
        self.size = min(self._policy.first_release, self.bound)

    def on_ended(self, *, well: bool) -> None:
        """A request has ended at MLflow; ``well``: with a response that is no failure."""
        if well:
            self._ended += 1
        elif not self._failed:  # once a turn: those that fail together fail for one reason
            self._failed = True
            self.size = max(1, self.size // 2)
            self._more = 0

    def on_turn(self, age: float, sharers: int) -> None:
        """Called twice a second.

        Args:
            age: seconds since the release began.
            sharers: how many workers release requests for the same upstream.
        """
        self._sharers = max(1, sharers)
        if age >= self._policy.release_max - LIFT_SECONDS:
            self._lifted = min(MOST, self._lifted * 2)
            self.size = self.bound
            return
        self._quiet = 0 if self._ended else self._quiet + 1
        if self._quiet > QUIET_TURNS:
            self._more += 1
        ended = self._ended_before + self._ended
        self._ended_before, self._ended = self._ended, 0
        failed, self._failed = self._failed, False
        if not failed:
            earned = max(self._policy.first_release, int(ended * GROWTH)) + self._more
            self.size = min(earned, self.size * 2)
        self.size = min(self.size, self.bound)
