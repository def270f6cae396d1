"""One key in memory, and whose it is: what a request's key is checked against."""

from __future__ import annotations

import math
from typing import Final

from headgate.auth.uses import Use
from headgate.model import Principal
from headgate.stores.records import KeyRecord


class Owner:
    """A principal to which keys belong; changed in place when its record is.

    Attributes:
        id: as in the store.
        name: what people call it.
        roles: what its keys may do at most; ``None``: what their own roles allow.
        disabled: none of its keys is accepted.
        active: how many of its keys are neither revoked nor known to have expired.
    """

    __slots__ = ("active", "disabled", "id", "name", "roles")

    def __init__(
        self, owner_id: str, name: str, roles: tuple[str, ...] | None, *, disabled: bool
    ) -> None:
        self.id: Final = owner_id
        self.name = name
        self.roles = roles
        self.disabled = disabled
        self.active = 0


class Entry:
    """One key; revoked and expired ones stay, so that their refusals can say what happened.

    A hundred thousand of these stay small: what a key may do is worked out when it is first used.

    Attributes:
        id: as in the store.
        name: what people call it.
        digest: the SHA-256 of its secret.
        owner: whose it is.
        roles: what it may do, if its owner may do it too.
        narrowing: grants that hold it to less, if there are any.
        expires_at: seconds since the epoch, ``inf`` for a key without end.
        revoked: it was ended for good.
        break_glass: why it was made in an emergency; empty: it was not.
        created_by: who made it.
        is_counted: it is among the active ones of its owner.
        notices: how often it was announced that it expires soon.
        principal: who its holder is, as of ``edition`` of the keyring.
        is_noticed: whether that says when the key expires.
        use: where its uses are noted, once it was used.
    """

    __slots__ = (
        "break_glass",
        "created_by",
        "digest",
        "edition",
        "expires_at",
        "id",
        "is_counted",
        "is_noticed",
        "name",
        "narrowing",
        "notices",
        "owner",
        "principal",
        "revoked",
        "roles",
        "use",
    )

    def __init__(
        self,
        record: KeyRecord,
        owner: Owner,
        roles: tuple[str, ...],
        narrowing: tuple[str, ...],
    ) -> None:
        self.id: Final = record.id
        self.name: Final = record.name
        self.digest: Final = record.digest
        self.owner: Final = owner
        self.roles: Final = roles
        self.narrowing: Final = narrowing
        self.expires_at: Final = math.inf if record.expires_at is None else float(record.expires_at)
        self.revoked: Final = record.revoked_at is not None
        self.break_glass: Final = record.break_glass
        self.created_by: Final = record.created_by if record.break_glass else ""
        self.is_counted = False
        self.notices = 0
        self.principal: Principal | None = None
        self.edition = -1
        self.is_noticed = False
        self.use: Use | None = None

    def is_active(self, now: float) -> bool:
        """Whether it is accepted at ``now``, in seconds since the epoch."""
        return not self.revoked and not self.owner.disabled and self.expires_at > now
