"""The first API key of a new key store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from headgate.cli.administering import on_store
from headgate.config import Config
from headgate.identity import KeyFilter, NewKey
from headgate.policy import ADMIN
from headgate.stores import open_identity_store

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
def ensure(config: Config) -> Iterator[FirstKey]:
    """Create a key unless there is a valid one; revoke it if the block did not print it.

    A key that was never printed would keep the next start from creating another one.

    Raises:
        HeadgateError: the key store cannot be opened or written.
    """
    made = _make_if_none_works(config)
    try:
        yield made
    finally:
        if made.secret is not None and not made.was_shown:
            with open_identity_store(config) as store:
                on_store(store, config).revoke_key(NAME)


def _make_if_none_works(config: Config) -> FirstKey:
    # Closed before the gate starts: its workers must not inherit the connection.
    with open_identity_store(config) as store:
        client = on_store(store, config)
        working = tuple(key.name for key in client.keys(KeyFilter(state="active")).keys)
        if working:
            return FirstKey(secret=None, others=working)
        # The first user of a new gate may do everything.
        new = NewKey(NAME, roles=[ADMIN], widen_account=True)
        issued = client.create_key(new, lambda _key, _secret: None)
        return FirstKey(secret=issued.secret, others=())
