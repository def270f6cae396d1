"""What a worker leaves of its keys to the one that replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headgate.stores.identity import Changes


@dataclass(frozen=True, slots=True)
class LeftKeys:
    """The keys that another worker had in force.

    Attributes:
        changes: all of them.
        compared_at: when they were last compared with the store, in seconds since the epoch.
    """

    changes: Changes
    compared_at: float


class KeysKeeper(Protocol):
    """Leaves keys to workers that start later."""

    def write(self, changes: Changes) -> None:
        """Note changes; may block.  Calls never overlap, but come from several threads."""
        ...

    def compared(self, at: float) -> None:
        """Note that the keys are those of the store at ``at``, in seconds since the epoch."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether all keys should be written anew, since the changes take too much room."""
        ...


class KeepNothing:
    """Leaves no keys."""

    is_full = False

    def write(self, changes: Changes) -> None:
        """See ``KeysKeeper``."""

    def compared(self, at: float) -> None:
        """See ``KeysKeeper``."""
