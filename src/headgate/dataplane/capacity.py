"""What one request takes up of the limits on requests."""

from __future__ import annotations

from headgate.limits import RequestLimits
from headgate.model import Operation, Principal


class Capacity:
    """What a request that was admitted takes up, until ``release``.

    Args:
        limits: which have admitted it.
        principal: who sends it.
        operation: what it asks for.
    """

    __slots__ = ("_limits", "_operation", "_paused", "_principal")

    def __init__(self, limits: RequestLimits, principal: Principal, operation: Operation) -> None:
        self._limits = limits
        self._principal = principal
        self._operation = operation
        self._paused = False

    def pause(self) -> None:
        """The request waits for something other than MLflow, and takes up nothing meanwhile."""
        if self._paused:
            return
        self._paused = True
        self._limits.pause(self._principal, self._operation)

    def resume(self) -> None:
        """It goes on, if it was paused."""
        if self._paused:
            self._paused = False
            self._limits.resume(self._principal, self._operation)

    def release(self) -> None:
        """It has ended."""
        self.resume()
        self._limits.release(self._principal, self._operation)
