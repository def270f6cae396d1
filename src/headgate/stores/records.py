"""Principals and keys as they are stored, whatever stores them.

Times are whole seconds since the epoch, UTC; ``None``: never.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

ROLES_EDITION = 2
"""Which edition of the built-in roles a key is given now: what they allow may change between two.

In the first, the role writer had ``write:ai-gateway``.
"""


class KeyState(enum.StrEnum):
    """Whether a key is accepted, and if not, why."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class PrincipalKind(enum.StrEnum):
    """What a principal is."""

    PERSON = "person"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class PrincipalRecord:
    """A person or a service account, to which keys belong.

    Attributes:
        id: ``p_`` and 8 characters; never changes, never given to another.
        name: what people call it; no other principal has it.
        kind: what it is.
        roles: what its keys may do at most.
        created_at: when.
        created_by: who did: the id of a principal, or what else did, such as ``cli``.
        description: for people.
        disabled_at: since when none of its keys is accepted.
    """

    id: str
    name: str
    kind: PrincipalKind
    roles: tuple[str, ...]
    created_at: int
    created_by: str = ""
    description: str = ""
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of one key.

    What ``roles`` allow is for the configuration to say, which may have none of that name.

    Attributes:
        id: ``k_`` and 8 characters; never secret, never given to another.
        name: what people call it; keys that are active at the same time share one only while one
            of them replaces the other.
        digest: the SHA-256 of its secret.
        created_at: when.
        expires_at: when it stops being accepted.
        revoked_at: when it was ended for good.
        roles: what it may do, if its principal may do it too.
        roles_edition: of the built-in roles, when the key was given its roles.
        principal_id: whose it is; empty for one that a gate of an older schema made.
        description: for people.
        narrowing: grants (``headgate.policy.grammar``) that hold it to less than its roles allow;
            none: they do not.
        created_by: who made it: the id of a principal, or what else did, such as ``cli``.
        replaces: the id of the key that it was made to replace; empty: none.
        break_glass: why it was made in an emergency; empty: it was not.
    """

    id: str
    name: str
    digest: bytes = field(repr=False)
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    roles: tuple[str, ...] = ()
    roles_edition: int = ROLES_EDITION
    principal_id: str = ""
    description: str = ""
    narrowing: tuple[str, ...] = ()
    created_by: str = ""
    replaces: str = ""
    break_glass: str = ""

    def state(self, now: float) -> KeyState:
        """Its state at ``now``, in seconds since the epoch."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When a key was last used, and from which address."""

    key_id: str
    used_at: int
    address: str


@dataclass(frozen=True, slots=True)
class FirstKey:
    """That a store has taken its first key by digest, which it does once in its life.

    ``key_id`` is the key that was made of it then, whatever became of it.
    """

    key_id: str
    taken_at: int


@dataclass(frozen=True, slots=True)
class UnreadableKey:
    """A key that cannot be used: its row in the store, how to call it, and what is wrong."""

    serial: int
    label: str
    why: str

    def __str__(self) -> str:
        """A phrase for people, safe to print whatever the row holds."""
        return f"row {self.serial}{self.label and f' ({self.label})'}: {self.why}"
