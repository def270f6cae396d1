"""Waiting for a condition of the outside world, with a pause between two looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tests.support.patience import patience
from tests.support.processes import POLL_SECONDS


def seconds_until(condition: Callable[[], bool], limit: float) -> float:
    """How long it takes until ``condition`` holds.

    The pause matters where a look is a request: a gate counts those that it has to refuse.

    ``limit`` is for a machine on which nothing else runs (``patience``).

    Raises:
        AssertionError: longer than that.
    """
    limit = patience(limit)
    started = time.monotonic()
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < started + limit, f"not within {limit:g} s"
        pause.wait(POLL_SECONDS)
    return time.monotonic() - started
