"""The first API key of a new key store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.cli import keys
from headgate.policy import ADMIN
from headgate.stores import KeyState, KeyStore

NAME = "first"


@dataclass(slots=True)
class FirstKey:
    """A key made because the store had none that works, or the names of those it has.

    ``secret`` is ``None`` when there were working keys, named in ``others``.  Whoever shows the
    secret to a person sets ``was_shown``.
    """

    secret: str | None
    others: tuple[str, ...]
    was_shown: bool = False


@contextlib.contextmanager
def ensure(database: Path) -> Iterator[FirstKey]:
    """Make a key unless one works already; revoke it if the block never showed it to anybody.

    A key that nobody has seen would only keep the next start from making one that is seen.

    Raises:
        HeadgateError: the key store cannot be opened or written.
    """
    made = _make_if_none_works(database)
    try:
        yield made
    finally:
        if made.secret is not None and not made.was_shown:
            with KeyStore(database) as store:
                store.revoke(NAME, time.time())


def _make_if_none_works(database: Path) -> FirstKey:
    now = time.time()
    # Closed before the gate starts: a connection must not be carried into its workers.
    with KeyStore(database) as store:
        working = tuple(
            record.name for record in store.records() if record.state(now) is KeyState.ACTIVE
        )
        if working:
            return FirstKey(secret=None, others=working)
        # Whoever starts the gate for the first time is to find nothing closed.
        _, secret = keys.issue(store, NAME, now, roles=[ADMIN])
        return FirstKey(secret=secret, others=())
