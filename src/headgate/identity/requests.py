"""What can be asked for.

Times are seconds since the epoch, UTC; ``math.inf``: never.  In a change, ``None`` leaves a field
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headgate.policy import DEFAULT_ROLES
from headgate.stores.records import PrincipalKind


@dataclass(frozen=True, slots=True)
class NewPrincipal:
    """A principal to create."""

    name: str
    kind: PrincipalKind = PrincipalKind.SERVICE
    roles: Sequence[str] = DEFAULT_ROLES
    description: str = ""


@dataclass(frozen=True, slots=True)
class PrincipalChange:
    """What to change of a principal."""

    name: str | None = None
    roles: Sequence[str] | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to create.

    Attributes:
        name: what people call it; no other active key has it.
        principal: whose it is, by name or id; ``None``: of the service account with the key's name,
            which is made with the key's roles if there is none.
        roles: not wider than the principal's; ``None``: the default ones (``DEFAULT_ROLES``) if the
            principal's cover them, else the principal's.
        narrowing: grants that hold it to less than its roles.
        description: for people.
        expires_at: its end; ``None``: as the gate's rules say.
        widen_account: give the roles to its service account too, where that has no other keys.
    """

    name: str
    principal: str | None = None
    roles: Sequence[str] | None = None
    narrowing: Sequence[str] = ()
    description: str = ""
    expires_at: float | None = None
    widen_account: bool = False


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What to change of a key; ``widen_account`` as for a new one."""

    roles: Sequence[str] | None = None
    narrowing: Sequence[str] | None = None
    description: str | None = None
    widen_account: bool = False


@dataclass(frozen=True, slots=True)
class Rotation:
    """How to replace a key.

    Attributes:
        expires_at: the end of the new key; ``None``: it lives as long as the old one was to, or as
            the gate's rules say.
        overlap: seconds for which the old key is still accepted; ``None``: as the rules say.
    """

    expires_at: float | None = None
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """A key that exists already; ``digest`` is the SHA-256 of its secret."""

    key: NewKey
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """A key of an administrator for an emergency.

    Attributes:
        reason: why, for the record.
        life: seconds, at most 24 hours.
        name: what to call it; empty: a name is made.
    """

    reason: str
    life: float = 3_600.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys to list: those that meet all that is given.

    Attributes:
        principal: whose, by name or id.
        state: one of ``headgate.identity.views.STATES``.
        name: those of exactly this name.
        expiring_within: seconds within which they end; keys that have ended do not count.
    """

    principal: str | None = None
    state: str | None = None
    expiring_within: float | None = None
    name: str | None = None
