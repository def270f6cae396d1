"""Makes keys: the one place where a secret exists outside its holder's hands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from headgate.auth.keys.form import RANDOM_BYTES, digest, mint
from headgate.policy import DEFAULT_ROLES
from headgate.stores.keys import KeyStore
from headgate.stores.records import KeyRecord


def issue(
    store: KeyStore,
    name: str,
    now: float,
    expires_at: float | None = None,
    roles: Sequence[str] = DEFAULT_ROLES,
    hand_over: Callable[[KeyRecord, str], None] = lambda _record, _secret: None,
) -> tuple[KeyRecord, str]:
    """Make a key; the second value is its secret, which exists nowhere else.

    ``now`` and ``expires_at`` are seconds since the epoch.  ``hand_over`` gives the secret to whom
    it is for; where it raises, there is no key.

    Raises:
        HeadgateError: the name is not fit, or an active key has it; the store fails.
    """
    secret = mint(secrets.token_bytes(RANDOM_BYTES))
    record = store.create(
        name,
        digest(secret),
        now,
        expires_at,
        roles,
        hand_over=lambda record: hand_over(record, secret),
    )
    return record, secret
