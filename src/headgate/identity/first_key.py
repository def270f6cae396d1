"""The first key of a store, by its SHA-256, for gates that nobody has a shell on.

A store takes one once in its life.  A row says that it did, so neither two gates that start at the
same time, nor a key that was revoked, nor a table of keys that was emptied make it take another.
"""

from __future__ import annotations

import time
from typing import Final

from headgate.config.auth import KeyRules
from headgate.events import Event, FirstKeyRefused, FirstKeyTaken
from headgate.identity.naming import new_key_id, new_principal_id
from headgate.policy import ADMIN
from headgate.stores.identity import IdentityStore, Transaction
from headgate.stores.records import FirstKey, KeyRecord, PrincipalKind, PrincipalRecord

NAME: Final = "first-key"
"""The name of the key, and of the service account that it belongs to."""
LONGEST_LIFE: Final = 7 * 86_400.0
BY: Final = "configuration"


def take_first_key(store: IdentityStore, digest: bytes, rules: KeyRules, now: float) -> list[Event]:
    """Let a store that has never had a key take its first one; what is to be said of it.

    Args:
        store: the store.
        digest: the SHA-256 of the key.
        rules: for the lives of keys.
        now: seconds since the epoch.

    Raises:
        HeadgateError: the store cannot be read or written.
    """
    with store.reading() as reading:
        refusal = _refusal(reading, digest)
        if refusal is not None:
            return refusal
    with store.transaction() as writing:
        refusal = _refusal(writing, digest)
        if refusal is not None:
            return refusal
        life = min(LONGEST_LIFE, rules.maximum_life or LONGEST_LIFE)
        owner = PrincipalRecord(
            id=new_principal_id(),
            name=NAME,
            kind=PrincipalKind.SERVICE,
            roles=(ADMIN,),
            created_at=int(now),
            created_by=BY,
            description="Owner of the first key, which the configuration brought",
        )
        key = KeyRecord(
            id=new_key_id(),
            name=NAME,
            digest=digest,
            created_at=int(now),
            expires_at=int(now + life),
            roles=(ADMIN,),
            principal_id=owner.id,
            description="Brought by the configuration (auth.first_key_sha256)",
            created_by=BY,
        )
        writing.put_principal(owner)
        writing.put_key(key)
        writing.put_first_key(FirstKey(key.id, int(now)))
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(now + life)))
    return [FirstKeyTaken(key.id, end)]


def _refusal(store: Transaction, digest: bytes) -> list[Event] | None:
    """What is to be said where the store takes no first key; ``None``: it takes one."""
    taken = store.first_key()
    if taken is not None:
        known = store.key(taken.key_id)
        if isinstance(known, KeyRecord) and known.digest == digest:
            return []  # the gate was started again
        return [
            FirstKeyRefused(
                f"the store has taken its first key ({taken.key_id or 'which is gone'}) already, "
                "and takes no other; remove auth.first_key_sha256"
            )
        ]
    if store.keys() or store.unreadable():
        return [
            FirstKeyRefused(
                "the store has keys already; make others with them, and remove "
                "auth.first_key_sha256"
            )
        ]
    return None
