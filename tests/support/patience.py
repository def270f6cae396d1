"""How long a test waits on this machine, which others may keep busy.

What a test expects within some seconds is what a gate does that has a core to itself.  Where
several processes share a core, each is late by as much, and late is not wrong: a wait that ends
too early on a busy machine says nothing about the gate.  On an idle one, the limits are strict.
"""

from __future__ import annotations

import os
from typing import Final

MOST: Final = 10.0
"""By how much a limit is extended at most: what never comes is to be said some day."""


def patience(seconds: float) -> float:
    """How long to wait here for what takes at most ``seconds`` with a core to itself."""
    return extended(seconds, os.getloadavg()[0] / (os.cpu_count() or 1))


def extended(seconds: float, crowd: float) -> float:
    """The limit where ``crowd`` processes share a core."""
    return seconds * min(max(crowd, 1.0), MOST)
