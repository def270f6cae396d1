"""Reads at a fixed pace, as a program of its own: ``python -m bench.paced PORT KEY SECONDS``.

How late each response is counts from when its request was due.  So a gate that stands still for a
moment is charged with all requests that were due in it, and not with the one that it held up.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from bench.http_client import KeptConnection

RATE = 1000
"""Requests a second, far less than a gate carries: it is not to be late by itself."""
_NEAR = 0.0003
"""Seconds before a request is due in which to look at the clock without a pause."""
_WARM_UP = 200


def read(port: int, key: str, seconds: float) -> list[float]:
    """Microseconds from when each request was due to the end of its response."""
    taken = []
    with KeptConnection(port, key) as connection:
        for _ in range(_WARM_UP):
            connection.ask()
        due = time.perf_counter()
        for _ in range(int(seconds * RATE)):
            due += 1 / RATE
            _wait_until(due)
            connection.ask()
            taken.append((time.perf_counter() - due) * 1e6)
    return taken


def _wait_until(due: float) -> None:
    if (rest := due - time.perf_counter() - _NEAR) > 0:
        time.sleep(rest)  # noqa: TID251 - a pace is kept
    while time.perf_counter() < due:
        pass


def main(arguments: Sequence[str]) -> None:
    """Print the times as JSON."""
    port, key, seconds = arguments
    json.dump(read(int(port), key, float(seconds)), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
