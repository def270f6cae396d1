"""The queue of requests that wait while every endpoint is full."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


class WaitQueue(Generic[Waiter]):
    """First in, first out; bounded in length and in time.

    To keep it fair, a new request joins while any request waits, even if there is room by then.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        # Every wait is equally long, so the order of arrival is that of the deadlines.
        self._deadlines: dict[Waiter, float] = {}

    def __len__(self) -> int:
        return len(self._deadlines)

    def put(self, waiter: Waiter, now: float) -> bool:
        """Add a waiter at the end; returns whether there was a place.

        Raises:
            ValueError: it is in the queue already.
        """
        if waiter in self._deadlines:
            raise ValueError(f"{waiter!r} waits already")
        if len(self._deadlines) >= self._size:
            return False
        self._deadlines[waiter] = now + self._timeout
        return True

    def discard(self, waiter: Waiter) -> None:
        """Take out one that no longer waits, if it is there."""
        self._deadlines.pop(waiter, None)

    def pop(self) -> Waiter | None:
        """Take out the one that has waited longest."""
        for waiter in self._deadlines:
            del self._deadlines[waiter]
            return waiter
        return None

    def expire(self, now: float) -> list[Waiter]:
        """Take out those that have waited too long, longest first."""
        expired = []
        for waiter, deadline in self._deadlines.items():
            if deadline > now:
                break
            expired.append(waiter)
        for waiter in expired:
            del self._deadlines[waiter]
        return expired
