"""What waiting clients survive, measured, and the rule for ``Retry-After`` that follows from it.

The figures are of the clients' defaults; the page ``docs/explanation/parking.md`` says how they
were measured, and ``tests/integration/test_client_limits.py`` measures them again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SHORTEST_AFTER_HOLD: Final = 5
LONGEST_AFTER_HOLD: Final = 300
SHORTEST_IF_REFUSED: Final = 30
LONGEST_IF_REFUSED: Final = 900
HOLD_SHARE: Final = 8
"""A client that was held waits another eighth of the park's age before it comes back."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one kind of client does with its defaults.

    Attributes:
        name: of the client.
        attempts: how often it sends a request that gets 429 each time; the first is one of them.
        silence: seconds for which it waits for a response, or for the server to read its body.
        longest_retry_after: seconds; a longer ``Retry-After`` counts as this.
        total: seconds for all attempts together; ``None``: no such limit.
    """

    name: str
    attempts: int
    silence: float
    longest_retry_after: int
    total: float | None = None


MLFLOW: Final = ClientLimits("MLflow's Python client", 8, 120.0, 21_600)
"""2.22.5, 3.5.1 and 3.17.2 alike, for every call but the look-up of ``server-info``."""
PLAIN_OTLP: Final = ClientLimits("OpenTelemetry's Python exporter", 6, 10.0, 10, 10.0)
"""OTLP over HTTP, 1.45: nothing that waits longer than ``total`` arrives, whatever it gets."""


def retry_after(age: float, held: bool, remaining: float = math.inf) -> int:
    """The seconds of ``Retry-After`` for a request that a parked upstream refuses.

    MLflow's client makes eight attempts in all, whatever came of them.  One that was held has
    spent a hold on its attempt, so it comes back soon, in an eighth of the time for which the
    park has lasted.  One that was refused immediately, since the queue is full or a lease ran
    out, would spend all attempts within minutes; it stays away for as long again as the park has
    lasted.  So a client loses at most that share of a park when it ends, and its eight attempts
    reach up to what ``longest_park`` says.

    Whole seconds: urllib3 gives a request up whose ``Retry-After`` is ``1.5``.

    Args:
        age: seconds since the park began.
        held: whether the request waited for the whole hold.
        remaining: seconds until it is over, where that is known; no client waits much longer.
    """
    if held:
        wait = min(max(age / HOLD_SHARE, SHORTEST_AFTER_HOLD), LONGEST_AFTER_HOLD)
    else:
        wait = min(max(age, SHORTEST_IF_REFUSED), LONGEST_IF_REFUSED)
    return max(1, math.ceil(min(wait, remaining)))


def longest_park(
    hold: float, client: ClientLimits = MLFLOW, *, arrival: float = 0.0, attempts_left: int = 0
) -> float:
    """The age in seconds up to which a client waits for the end of a park.

    Args:
        hold: seconds for which a request is held; 0: each is refused immediately.
        client: the client.
        arrival: the age of the park at its first attempt.
        attempts_left: how many attempts it has; 0: all.
    """
    age = arrival
    attempts = attempts_left or client.attempts
    for attempt in range(1, attempts + 1):
        age += min(hold, client.silence)
        if attempt < attempts:
            age += min(retry_after(age, held=hold > 0), client.longest_retry_after)
    return age if client.total is None else min(age, arrival + client.total)
