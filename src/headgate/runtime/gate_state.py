"""Whether the gate as a whole is about to stop, in memory that its processes share."""

from __future__ import annotations

import mmap


class GateState:
    """Made before the workers are forked; each process sees immediately what another one notes.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._cells = mmap.mmap(-1, workers + 1)  # the first one is the gate's

    def stop(self) -> None:
        """The gate is to stop."""
        self._cells[0] = 1

    def set_draining(self, worker: int, *, draining: bool) -> None:
        """Note whether a worker is about to stop."""
        self._cells[worker + 1] = int(draining)

    def is_draining(self) -> bool:
        """Whether no worker will serve before long: the gate stops, or each of them does.

        A worker that stops by itself is replaced, and the others serve meanwhile.
        """
        return self._cells[0] != 0 or 0 not in self._cells[1:]
