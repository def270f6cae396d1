"""One key as it is stored, whatever stores it."""

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


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of one key.

    Times are seconds since the epoch, UTC; ``None``: never.  What ``roles`` allow is for the
    configuration to say, which may have none of that name; ``roles_edition`` is that of the
    built-in roles when the key was given its roles.
    """

    id: str
    name: str
    digest: bytes = field(repr=False)
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    roles: tuple[str, ...] = ()
    roles_edition: int = ROLES_EDITION

    def state(self, now: float) -> KeyState:
        """Its state at ``now``, in seconds since the epoch."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


@dataclass(frozen=True, slots=True)
class UnreadableKey:
    """A key that cannot be used: its row in the store, how to call it, and what is wrong."""

    serial: int
    label: str
    why: str

    def __str__(self) -> str:
        """A phrase for people, safe to print whatever the row holds."""
        return f"row {self.serial}{self.label and f' ({self.label})'}: {self.why}"
