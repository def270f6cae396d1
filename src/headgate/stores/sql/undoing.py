"""What is only tried in a store: whether it could be written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

Opened = TypeVar("Opened")


class _UndoError(Exception):
    """What was tried is not kept."""


@contextlib.contextmanager
def undone(transaction: AbstractContextManager[Opened]) -> Iterator[Opened]:
    """A transaction that is dropped when the block ends: nobody sees any of it."""
    with contextlib.suppress(_UndoError), transaction as opened:
        yield opened
        raise _UndoError
