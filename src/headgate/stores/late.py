"""A key store that may be missing or damaged when it is first looked at."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from headgate.stores.keys import Contents, KeyStore


class LateKeyStore:
    """The key store at ``path``, opened as soon as it can be; it is never made here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: KeyStore | None = None

    def data_version(self) -> Hashable:
        """See ``KeyStore``.

        Raises:
            HeadgateError: the store is missing or cannot be read.
        """
        return self._opened().data_version()

    def contents(self) -> Contents:
        """See ``KeyStore``.

        Raises:
            HeadgateError: the store is missing or cannot be read.
        """
        return self._opened().contents()

    def close(self) -> None:
        """Give the file back, if it was opened."""
        if self._store is not None:
            self._store.close()

    def _opened(self) -> KeyStore:
        if self._store is None:
            self._store = KeyStore(self._path, create=False)
        return self._store
