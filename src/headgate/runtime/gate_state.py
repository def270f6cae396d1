"""Whether the gate as a whole is about to stop, in memory that its processes share."""

from __future__ import annotations

import mmap
from typing import Final

_STOPS: Final = 0
_PASSED_ON: Final = 1
_LEFT: Final = 2
_WORKERS: Final = 3
"""The first cell of a worker."""


class GateState:
    """Made before the workers are forked; each process sees immediately what another one notes.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._cells = mmap.mmap(-1, workers + _WORKERS)

    def stop(self) -> None:
        """The gate is to stop."""
        self._cells[_STOPS] = 1

    def set_draining(self, worker: int, *, draining: bool) -> None:
        """Note whether a worker is about to stop."""
        self._cells[worker + _WORKERS] = int(draining)

    def is_draining(self) -> bool:
        """Whether no worker will serve before long: the gate stops, or each of them does.

        A worker that stops by itself is replaced, and the others serve meanwhile.  A gate that has
        handed over is not draining in this sense: its address is served.
        """
        return self._cells[_STOPS] != 0 or 0 not in self._cells[_WORKERS:]

    def pass_on(self, *, passed: bool) -> None:
        """Note whether another gate has the listening sockets too."""
        self._cells[_PASSED_ON] = int(passed)

    def is_passed_on(self) -> bool:
        """Whether another gate has the listening sockets too: none of them may be shut down."""
        return self._cells[_PASSED_ON] != 0

    def leave(self) -> None:
        """Another gate has taken over."""
        self._cells[_PASSED_ON] = self._cells[_LEFT] = 1

    def is_left(self) -> bool:
        """Whether another gate has taken over: the workers leave the sockets to it."""
        return self._cells[_LEFT] != 0
