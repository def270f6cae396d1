"""Events of principals, of keys that need attention, and of keys for emergencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class PrincipalDisabled(Event):
    """A principal was disabled; each worker logs it when it no longer accepts its keys.

    Attributes:
        principal: the name of the principal.
        principal_id: its id.
    """

    name: ClassVar[str] = "principal_disabled"
    logger: ClassVar[str] = "headgate.auth"

    principal: str
    principal_id: str

    def message(self) -> str:
        return (
            f"the principal '{self.principal}' ({self.principal_id}) is disabled: its keys are no "
            "longer accepted"
        )


@dataclass(frozen=True, slots=True)
class PrincipalEnabled(Event):
    """A principal that was disabled is enabled again; each worker logs it.

    Attributes:
        principal: the name of the principal.
        principal_id: its id.
    """

    name: ClassVar[str] = "principal_enabled"
    logger: ClassVar[str] = "headgate.auth"

    principal: str
    principal_id: str

    def message(self) -> str:
        return (
            f"the principal '{self.principal}' ({self.principal_id}) is enabled: its keys are "
            "accepted again"
        )


@dataclass(frozen=True, slots=True)
class KeyExpiresSoon(Event):
    """A key is close to its end (`auth.keys.notice`), and again a day before; one worker logs it.

    Attributes:
        key: the name of the key.
        key_id: its id.
        principal: the name of the principal that it belongs to.
        expires: when it ends, as in RFC 3339.
    """

    name: ClassVar[str] = "key_expires_soon"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str
    principal: str
    expires: str

    def message(self) -> str:
        return (
            f"the key '{self.key}' ({self.key_id}) of '{self.principal}' expires at "
            f"{self.expires}: headgate keys rotate {self.key_id} makes the one that replaces it"
        )


@dataclass(frozen=True, slots=True)
class KeysExpireSoon(Event):
    """More keys are close to their end than the log names one by one.

    Attributes:
        count: how many.
    """

    name: ClassVar[str] = "keys_expire_soon"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    count: int

    def message(self) -> str:
        return f"{self.count} more keys expire soon: headgate keys list shows them"


@dataclass(frozen=True, slots=True)
class KeysStale(Event):
    """The key store could not be read for longer than `auth.max_stale`: all keys are refused.

    Attributes:
        seconds: for how long.
    """

    name: ClassVar[str] = "keys_stale"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    seconds: float

    def message(self) -> str:
        return (
            f"the key store could not be read for {self.seconds:.0f} seconds, which is longer than "
            "auth.max_stale: every key is refused until it can be, since keys may have been "
            "revoked meanwhile"
        )


@dataclass(frozen=True, slots=True)
class KeyStoreAwaited(Event):
    """A worker starts while the key store cannot be reached, and without any keys.

    Attributes:
        reason: why it cannot be reached.
    """

    name: ClassVar[str] = "key_store_awaited"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    reason: str

    def message(self) -> str:
        return (
            "the key store cannot be reached: requests with keys get 503 until it can be: "
            f"{self.reason}"
        )


@dataclass(frozen=True, slots=True)
class UsesNotKept(Event):
    """When keys were last used cannot be written to the key store; it is kept in memory.

    Attributes:
        reason: why.
    """

    name: ClassVar[str] = "key_uses_not_kept"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    reason: str

    def message(self) -> str:
        return (
            "when keys were last used cannot be written to the key store, and is kept in memory "
            f"meanwhile: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class BreakGlassKeyMade(Event):
    """A key for an emergency is in the key store; each worker logs it when it first sees it.

    Attributes:
        key: the name of the key.
        key_id: its id.
        principal: the name of the principal that it belongs to.
        made_by: who made it.
        reason: why, as they say.
        expires: when it ends, as in RFC 3339.
    """

    name: ClassVar[str] = "break_glass_key_made"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str
    principal: str
    made_by: str
    reason: str
    expires: str

    def message(self) -> str:
        return (
            f"BREAK GLASS: '{self.made_by}' made the key '{self.key}' ({self.key_id}) of "
            f"'{self.principal}', which may do everything until {self.expires}: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class BreakGlassUsed(Event):
    """A key for an emergency is used: the first time, and once in each hour in which it is.

    Attributes:
        key: its id, or the beginning of its digest for one of the configuration.
        reason: why there is one.
        address: of the client.
    """

    name: ClassVar[str] = "break_glass_used"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    key: str
    reason: str
    address: str

    def message(self) -> str:
        return (
            f"BREAK GLASS: the key {self.key}, which may do everything, is used from "
            f"{self.address}: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class FirstKeyTaken(Event):
    """The key store has taken the first key of the configuration, which it does once in its life.

    Attributes:
        key_id: the id of the key.
        expires: when it ends, as in RFC 3339.
    """

    name: ClassVar[str] = "first_key_taken"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    key_id: str
    expires: str

    def message(self) -> str:
        return (
            f"the key store has its first key ({self.key_id}), with the role admin: it ends at "
            f"{self.expires}; make keys for people with it, and remove auth.first_key_sha256"
        )


@dataclass(frozen=True, slots=True)
class FirstKeyRefused(Event):
    """The first key of the configuration is not taken.

    Attributes:
        reason: why.
    """

    name: ClassVar[str] = "first_key_refused"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    reason: str

    def message(self) -> str:
        return f"the first key of the configuration is not taken: {self.reason}"
