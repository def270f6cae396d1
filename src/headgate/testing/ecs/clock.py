"""Time of the stand-in: moved by hand, or by the real clock, faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TICK = 1.0
"""Simulated seconds between two looks at the state."""


class SimulatedClock:
    """A ``Clock`` whose ``sleep`` moves time, and the stand-in with it.

    Args:
        tick: what happens at each simulated second.
        began: the first moment, in seconds since the epoch.
    """

    def __init__(self, tick: Callable[[], None], began: float) -> None:
        self._tick = tick
        self._began = began
        self._passed = 0.0
        self._lock = threading.RLock()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._began + self._passed

    def monotonic(self) -> float:
        """Seconds since the stand-in began."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Let this time pass in the stand-in."""
        with self._lock:
            end = self._passed + max(0.0, seconds)
            while self._passed < end:
                self._passed = min(end, self._passed + TICK)
                self._tick()


class Pacer:
    """Moves a clock with the real one, ``speed`` times as fast, until it is stopped."""

    def __init__(self, clock: SimulatedClock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecs-clock", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(TICK / self._speed):
            now = time.monotonic()
            # What a task's start took of real time is not caught up: the model stands meanwhile.
            self._clock.sleep(min((now - last) * self._speed, 5 * TICK))
            last = time.monotonic()
