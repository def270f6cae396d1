"""Keys from a store that may be missing or damaged when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from headgate.stores.keys import KeySource, Snapshot


class LateKeySource:
    """Opens a store as soon as that can be done.

    Args:
        open_source: opens it, or raises ``HeadgateError``; it must not make one.
    """

    def __init__(self, open_source: Callable[[], KeySource]) -> None:
        self._open_source = open_source
        self._source: KeySource | None = None

    def revision(self) -> Hashable:
        """See ``KeySource``.

        Raises:
            HeadgateError: the store is missing or cannot be read.
        """
        return self._opened().revision()

    def snapshot(self) -> Snapshot:
        """See ``KeySource``.

        Raises:
            HeadgateError: the store is missing or cannot be read.
        """
        return self._opened().snapshot()

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._source is not None:
            self._source.close()

    def _opened(self) -> KeySource:
        if self._source is None:
            self._source = self._open_source()
        return self._source
