"""Open files: each connection is one, and a process may have only so many."""

from __future__ import annotations

import logging
import resource

from headgate.config import Limits

log = logging.getLogger("headgate.server")

OTHERS = 256
"""Files beside those of requests: idle connections to MLflow, logs, the key store."""


def make_room(limits: Limits) -> None:
    """Let this process and its children have as many files open as ``limits`` lets clients need.

    Systems hand out a limit that is far below what they allow, for the sake of programs that
    use ``select``.  What exceeds it is accepted and closed at once, without a word.
    """
    # Two for each request under way: an upload holds its connection to MLflow twice
    # (``dataplane/kernel.py``).
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
