"""Knows of a change that failed whether it may have been made all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from headgate.stores.identity import Transaction, Transactions


class WatchedStore:
    """A store for one change.

    Attributes:
        committing: the change was about to be kept: if that failed, nobody knows whether it was.
    """

    def __init__(self, store: Transactions) -> None:
        self._store = store
        self.committing = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See ``Transactions``."""
        with self._store.transaction() as transaction:
            yield transaction
            self.committing = True

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """See ``Transactions``."""
        with self._store.reading() as transaction:
            yield transaction
