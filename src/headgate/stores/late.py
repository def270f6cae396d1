"""Principals and keys from a store that may be missing or damaged when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.stores.identity import Changes, IdentitySource, Position
from headgate.stores.records import KeyUse


class LateIdentitySource:
    """Opens an identity store as soon as that can be done.

    Args:
        open_source: opens it, or raises ``HeadgateError``; it must not make one.
    """

    def __init__(self, open_source: Callable[[], IdentitySource]) -> None:
        self._open_source = open_source
        self._source: IdentitySource | None = None

    def changes(self, since: Position | None) -> Changes | None:
        """See ``IdentitySource``.

        Raises:
            HeadgateError: the store is missing or cannot be read.
        """
        return self._opened().changes(since)

    def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """See ``IdentitySource``.

        Raises:
            HeadgateError: the store is missing or cannot be written.
        """
        self._opened().record_uses(uses)

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._source is not None:
            self._source.close()

    def _opened(self) -> IdentitySource:
        if self._source is None:
            self._source = self._open_source()
        return self._source
