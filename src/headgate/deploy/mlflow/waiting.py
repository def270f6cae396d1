"""Waiting for something to become so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.deploy.mlflow.errors import DatabaseError, HostError, ParkingError
from headgate.deploy.mlflow.site import Site
from headgate.deploy.outcome import TimedOutError

POLL: Final = 0.5
"""Seconds between two looks: clients wait meanwhile."""


def until(
    site: Site,
    waiting: Callable[[], str],
    seconds: float,
    limit: float,
    guard: Callable[[], None] | None = None,
) -> None:
    """Wait until nothing is waited for.

    Args:
        site: whose clock and reporter to use.
        waiting: what is waited for, in words; empty when it is so.
        seconds: how long at most.
        limit: on the clock's ``monotonic``, until when at most.
        guard: called at each look; it raises if there is no sense in waiting on.

    Raises:
        TimedOutError: it has not become so.
        HeadgateError: of ``waiting`` and ``guard``, unless the same may succeed later.
    """
    deadline = min(site.clock.monotonic() + seconds, limit)
    while True:
        try:
            found = waiting()
        except (HostError, DatabaseError, ParkingError) as error:
            if not error.retryable:
                raise
            found = str(error)
        if not found:
            return
        if site.clock.monotonic() >= deadline:
            raise TimedOutError(f"{found}; that was waited for in vain")
        if guard is not None:
            guard()
        site.reporter.status(found)
        site.clock.sleep(POLL)
