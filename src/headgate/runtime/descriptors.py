"""Open files: each connection is one, and a process may have only so many."""

from __future__ import annotations

import errno
import logging
import math
import os
import resource
import time
from collections.abc import Callable

from headgate.config import Limits
from headgate.telemetry.event_log import fields

log = logging.getLogger("headgate.runtime")

OTHERS = 256
"""Files beside those of requests: idle connections to MLflow, logs, the key store."""
SOME = 8
"""How many files must be free before they count as available again."""
REPEAT_SECONDS = 60.0
"""A shortage that comes and goes is logged once in this time."""


def make_room(limits: Limits) -> None:
    """Let this process and its children have as many files open as ``limits`` lets clients need.

    Systems hand out a limit that is far below what they allow, for the sake of programs that
    use ``select``.  What exceeds it is accepted and closed at once, without a word.
    """
    # Two for each request under way: an upload holds its connection to MLflow twice
    # (``dataplane/sockets.py``).
    needed = limits.connections + 2 * limits.in_flight + OTHERS
    now, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY or needed <= allowed:
        wanted = needed
    else:
        wanted = allowed
        log.warning(
            "limits.connections (%d) and limits.in_flight (%d) need %d open files, and the system "
            "allows %d: raise its limit (ulimit -n), or lower them",
            *(limits.connections, limits.in_flight, needed, allowed),
        )
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, allowed))


class Scarcity:
    """Notices that no file can be opened any more, and that it can again.

    Where none can, libuv accepts new connections and closes them without a word
    (``uv__emfile_trick``), so nothing else in this process learns of it.

    Args:
        clock: seconds from an arbitrary start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = -math.inf
        self._is_scarce = False

    def look(self) -> None:
        """Look, and log a change; called about twice a second."""
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
                log.info("files can be opened again", extra=fields("descriptors_available"))
        elif trouble.errno in (errno.EMFILE, errno.ENFILE):
            self._is_scarce = True
            if self._clock() - self._told >= REPEAT_SECONDS:
                self._told = self._clock()
                _tell_scarcity(trouble)


def _tell_scarcity(error: OSError) -> None:
    if error.errno == errno.ENFILE:
        limit = "the system has no file left for any process"
    else:
        limit = f"this worker has all {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files open"
    log.error(
        "out of file descriptors: %s; new connections are closed. Raise the limit "
        "(ulimit -n), or lower limits.connections",
        limit,
        extra=fields("descriptors_exhausted"),
    )
