"""Events of the admin API: who changed which principal or key."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


class Change(enum.StrEnum):
    """What was done through the admin API."""

    KEY_CREATED = "key_created"
    KEY_IMPORTED = "key_imported"
    KEY_CHANGED = "key_changed"
    KEY_ROTATED = "key_rotated"
    KEY_EXPIRY_SET = "key_expiry_set"
    KEY_REVOKED = "key_revoked"
    BREAK_GLASS_CREATED = "break_glass_created"
    PRINCIPAL_CREATED = "principal_created"
    PRINCIPAL_CHANGED = "principal_changed"
    PRINCIPAL_DISABLED = "principal_disabled"
    PRINCIPAL_ENABLED = "principal_enabled"


@dataclass(frozen=True, slots=True)
class Administered(Event):
    """A principal or a key was changed through the admin API.

    Attributes:
        change: what was done: `key_created`, `key_imported`, `key_changed`, `key_rotated`,
            `key_expiry_set`, `key_revoked`, `break_glass_created`, `principal_created`,
            `principal_changed`, `principal_disabled` or `principal_enabled`.
        actor: who did it, by the principal's name.
        actor_id: the id of that principal.
        credential: the id of the key or token that was shown.
        target: the name of the key or principal that was changed.
        target_id: its id.
        detail: what it is like now, such as its roles.
    """

    name: ClassVar[str] = "administered"
    logger: ClassVar[str] = "headgate.admin"

    change: Change
    actor: str
    actor_id: str
    credential: str
    target: str
    target_id: str
    detail: str = ""

    def message(self) -> str:
        what = self.change.value.replace("_", " ")
        detail = f" ({self.detail})" if self.detail else ""
        return (
            f"{what} through the admin API: '{self.target}' ({self.target_id}){detail}, by "
            f"'{self.actor}' ({self.actor_id}) with {self.credential or 'no credential'}"
        )


@dataclass(frozen=True, slots=True)
class AdministrationFailed(Event):
    """The admin API could not use the key store.

    Attributes:
        operation: what was asked for.
        reason: what is wrong with the store.
    """

    name: ClassVar[str] = "administration_failed"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.admin"

    operation: str
    reason: str

    def message(self) -> str:
        return f"the admin API cannot use the key store for {self.operation}: {self.reason}"
