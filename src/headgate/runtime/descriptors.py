"""Open files: each connection is one, and a process may have only so many."""

from __future__ import annotations

import errno
import math
import os
import resource
import time
from collections.abc import Callable

from headgate.config import Limits
from headgate.events import DescriptorsAvailable, DescriptorsExhausted, DescriptorsLimited, Emit

OTHERS = 256
"""Files beside those of requests: idle connections to MLflow, logs, the key store."""
SOME = 8
"""How many files must be free before they count as available again."""
REPEAT_SECONDS = 60.0
"""A shortage that comes and goes is one event in this time."""


def raise_limit(limits: Limits, emit: Emit, *, more: int = 0) -> None:
    """Let this process and its children open as many files as clients can need by ``limits``.

    ``more``: files beside those of clients and the usual others.

    Systems hand out a limit that is far below what they allow, for the sake of programs that
    use ``select``.  A connection that exceeds it is accepted and closed
    immediately, without a log line.
    """
    # Two for each request under way: an upload holds its connection to MLflow twice
    # (``dataplane/sockets.py``).
    needed = limits.connections + 2 * limits.in_flight + OTHERS + more
    now, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY or needed <= allowed:
        wanted = needed
    else:
        wanted = allowed
        emit(DescriptorsLimited(limits.connections, limits.in_flight, needed, allowed))
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, allowed))


class Scarcity:
    """Notices that no file can be opened any more, and that it can again.

    Where none can, libuv accepts new connections and closes them silently (``uv__emfile_trick``),
    so nothing else in this process learns of it.

    Args:
        emit: takes the events.
        clock: seconds from an arbitrary start.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._emitted = -math.inf
        self._is_scarce = False

    def look(self) -> None:
        """Look, and emit a change; called about twice a second."""
        opened: list[int] = []
        trouble: OSError | None = None
        # Once it was scarce, one more that has been closed is not the end of it.
        for _ in range(SOME if self._is_scarce else 1):
            try:
                opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                trouble = error
                break
        for each in opened:
            os.close(each)
        if trouble is None:
            if self._is_scarce:
                self._is_scarce = False
                self._emit(DescriptorsAvailable())
        elif trouble.errno in (errno.EMFILE, errno.ENFILE):
            self._is_scarce = True
            if self._clock() - self._emitted >= REPEAT_SECONDS:
                self._emitted = self._clock()
                self._emit(DescriptorsExhausted(_limit_reached(trouble)))


def _limit_reached(error: OSError) -> str:
    if error.errno == errno.ENFILE:
        return "the system has no file left for any process"
    return f"this worker has all {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files open"
