"""The first API key of a new key store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headgate.auth.keys.issuing import issue
from headgate.policy import ADMIN
from headgate.stores import KeyState, KeyStore

NAME = "first"


@dataclass(slots=True)
class FirstKey:
    """A new key if the store had no valid one, or the names of the valid ones.

    ``secret`` is ``None`` if there were valid keys, named in ``others``.  The caller sets
    ``was_shown`` after it has printed the secret.
    """

    secret: str | None
    others: tuple[str, ...]
    was_shown: bool = False


@contextlib.contextmanager
def ensure(open_store: Callable[[], KeyStore]) -> Iterator[FirstKey]:
    """Create a key unless there is a valid one; revoke it if the block did not print it.

    A key that was never printed would keep the next start from creating another one.

    Raises:
        HeadgateError: the key store cannot be opened or written.
    """
    made = _make_if_none_works(open_store)
    try:
        yield made
    finally:
        if made.secret is not None and not made.was_shown:
            with open_store() as store:
                store.revoke(NAME, time.time())


def _make_if_none_works(open_store: Callable[[], KeyStore]) -> FirstKey:
    now = time.time()
    # Closed before the gate starts: its workers must not inherit the connection.
    with open_store() as store:
        working = tuple(
            record.name
            for record in store.snapshot().records
            if record.state(now) is KeyState.ACTIVE
        )
        if working:
            return FirstKey(secret=None, others=working)
        # The first user of a new gate may do everything.
        _, secret = issue(store, NAME, now, roles=[ADMIN])
        return FirstKey(secret=secret, others=())
