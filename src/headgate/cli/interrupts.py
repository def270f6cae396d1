"""Ctrl-C, SIGTERM and a closed terminal, for a command that must not stop just anywhere."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME: Final = 1.0
"""Seconds in which signals are one: keys are pressed twice, and groups get a signal once more."""


class Interrupts:
    """Raises ``KeyboardInterrupt`` where the command can stop or go back, and nowhere else.

    At first that is everywhere.  In ``shield`` it is nowhere but in ``allow``, and a closed
    terminal (SIGHUP) stops nothing: the command goes on without it.
    """

    def __init__(self) -> None:
        self._raises = True
        self._shielded = False
        self._last = float("-inf")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals in the block; what was ignored before, as by ``nohup``, stays so."""
        former = {each: signal.getsignal(each) for each in _SIGNALS}
        taken = [each for each in _SIGNALS if former[each] is not signal.SIG_IGN]
        for each in taken:
            signal.signal(each, self._interrupt)
        try:
            yield
        finally:
            for each in taken:
                signal.signal(each, former[each])

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        if not self._raises or (self._shielded and number == signal.SIGHUP):
            return
        if time.monotonic() >= self._last + _SAME:
            self._last = time.monotonic()
            raise KeyboardInterrupt

    @contextmanager
    def shield(self) -> Iterator[None]:
        """See ``seams.Interrupts``."""
        former = (self._raises, self._shielded)
        self._raises, self._shielded = False, True
        try:
            yield
        finally:
            self._raises, self._shielded = former

    @contextmanager
    def allow(self) -> Iterator[None]:
        """See ``seams.Interrupts``."""
        former, self._raises = self._raises, True
        try:
            yield
        finally:
            self._raises = former
