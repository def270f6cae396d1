"""Writes to the store when keys were last used, in batches and off the request path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headgate.auth.uses import Use
from headgate.stores.records import KeyUse

BATCH: Final = 500
"""How many uses are written together."""


class UseWriter:
    """Collects uses until they can be written: the last one of each key, so that they are bounded.

    Args:
        every: seconds between two times at which they are written; the first is not waited for.
    """

    def __init__(self, every: float) -> None:
        self._every: Final = every
        self._waiting: dict[str, KeyUse] = {}
        self._due = 0.0

    def add(self, uses: Iterable[Use]) -> None:
        """Remember these."""
        for use in uses:
            self._waiting[use.credential] = KeyUse(use.credential, use.at, use.address)

    def is_due(self, now: float) -> bool:
        """Whether there is something to write at ``now``, in seconds since the epoch."""
        return bool(self._waiting) and (now >= self._due or self._due > now + self._every)

    def batch(self, now: float) -> list[KeyUse]:
        """The next ones to write; empty once there are no more."""
        self._due = now + self._every
        batch = list(self._waiting.values())[:BATCH]
        for each in batch:
            del self._waiting[each.key_id]
        return batch

    def put_back(self, batch: Iterable[KeyUse]) -> None:
        """Remember those that could not be written, where there is no later use."""
        for each in batch:
            self._waiting.setdefault(each.key_id, each)
