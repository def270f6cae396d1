"""The requests for one upstream whose bytes are on their way, to MLflow or back from it.

While a park ends, few requests may be under way at MLflow at a time (``ReleaseWindow``).  One that
uploads or downloads a large artifact over a slow line would keep the others from MLflow for
minutes, and MLflow waits for it with nothing of its database in its hands.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

LONG_SECONDS: Final = 2.0
"""A transfer counts as long after that.  Bodies of calls, a few MiB at most, take less on most
lines: MLflow executes them as soon as they are there, with connections to its database."""


class Transfers:
    """Which there are, and how many of them take long.

    A transfer is known by the responder that makes it.

    Attributes:
        long: how many have lasted for ``LONG_SECONDS``, as of the last ``sweep``.
    """

    def __init__(self) -> None:
        self.long = 0
        self._since: dict[Hashable, float] = {}
        self._long: set[Hashable] = set()

    def begin(self, transfer: Hashable, now: float) -> None:
        """Bytes are on their way; again: they go on."""
        self._since.setdefault(transfer, now)

    def end(self, transfer: Hashable) -> None:
        """They have come, or never will."""
        self._since.pop(transfer, None)
        if transfer in self._long:
            self._long.discard(transfer)
            self.long -= 1

    def sweep(self, now: float) -> None:
        """Count those that take long; to be called twice a second."""
        for transfer, since in self._since.items():
            if now - since >= LONG_SECONDS:
                self._long.add(transfer)
        self.long = len(self._long)
