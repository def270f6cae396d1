"""Secrets in the environment of a gate: read once, then removed.

What is in the environment is inherited by every program that a process starts, and shown by
``/proc/PID/environ`` for as long as it runs.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import Final

SECRETS: Final = ("HEADGATE_AUTH__DATABASE_URL",)


def take_environment() -> Mapping[str, str]:
    """The environment of this process as it is now; from the process itself secrets are removed."""
    taken = dict(os.environ)
    for name in taken:
        if name.upper() in SECRETS:  # the configuration reads names in any case
            _overwrite(name)
            del os.environ[name]
    return taken


def _overwrite(name: str) -> None:
    """Overwrite the value where the kernel has put it, and shows it from, when the program began.

    It is a copy of the text that Python has: a dump of the memory still has the secret.
    """
    try:
        getenv = ctypes.CDLL(None).getenv
    except (OSError, AttributeError):
        return
    getenv.restype, getenv.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    place = getenv(os.fsencode(name))
    if place is not None:
        ctypes.memset(place, 0, len(ctypes.string_at(place)))
