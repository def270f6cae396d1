"""The signals that a gate takes, and how its supervisor waits for them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT)
PASSED_ON = (*STOPS, signal.SIGHUP)
LOG_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
"""What other servers reopen their logs on; without a handler it would end the process."""
HANDLED = (*PASSED_ON, *LOG_SIGNALS, signal.SIGCHLD)


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[int]:
    """While it lasts, ``handler`` takes the signals of ``HANDLED``.

    It gives a file that can be read when one has come: without it a signal would not end a wait.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    wake_before = signal.set_wakeup_fd(wake)
    before = {number: signal.signal(number, handler) for number in HANDLED}
    try:
        yield woken
    finally:
        for number, each in before.items():
            signal.signal(number, each)
        signal.set_wakeup_fd(wake_before)
        os.close(woken)
        os.close(wake)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
