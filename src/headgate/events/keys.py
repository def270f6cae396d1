"""Events of API keys and the store that they are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class KeyStoreUnreadable(Event):
    """The key store cannot be read; the keys that were read last stay in use.

    Attributes:
        reason: why.
    """

    name: ClassVar[str] = "key_store_unreadable"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    reason: str

    def message(self) -> str:
        return f"the key store cannot be read; keys stay as they were: {self.reason}"


@dataclass(frozen=True, slots=True)
class KeyStoreReadable(Event):
    """The key store, which could not be read, can be read again."""

    name: ClassVar[str] = "key_store_readable"
    logger: ClassVar[str] = "headgate.auth"

    def message(self) -> str:
        return "the key store can be read again"


@dataclass(frozen=True, slots=True)
class KeyRevoked(Event):
    """A key was revoked; each worker logs it when it no longer accepts the key.

    Attributes:
        key: the name of the key.
        key_id: its id.
    """

    name: ClassVar[str] = "key_revoked"
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str

    def message(self) -> str:
        return f"the key '{self.key}' ({self.key_id}) is revoked: it is no longer accepted"


@dataclass(frozen=True, slots=True)
class KeysRevoked(Event):
    """More keys were revoked together than the log names one by one.

    Attributes:
        count: how many more.
    """

    name: ClassVar[str] = "keys_revoked"
    logger: ClassVar[str] = "headgate.auth"

    count: int

    def message(self) -> str:
        return f"{self.count} more keys are revoked: they are no longer accepted"


@dataclass(frozen=True, slots=True)
class KeyUnusable(Event):
    """A key of the key store cannot be used: its row is damaged.

    Attributes:
        reason: which key, and why.
    """

    name: ClassVar[str] = "key_unusable"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    reason: str

    def message(self) -> str:
        return f"a key of the key store cannot be used, {self.reason}"


@dataclass(frozen=True, slots=True)
class KeysGone(Event):
    """Keys that opened the gate are no longer in the key store, which never loses one by itself.

    Attributes:
        count: how many.
        keys: the names of the first of them.
    """

    name: ClassVar[str] = "keys_gone"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    count: int
    keys: tuple[str, ...]

    def message(self) -> str:
        names = ", ".join(f"'{each}'" for each in self.keys)
        return (
            f"{self.count} keys that opened the gate are gone from the key store ({names}): was "
            "it deleted, or another one put in its place?"
        )


@dataclass(frozen=True, slots=True)
class RoleMissing(Event):
    """A key or its owner has a role that the configuration does not define: it grants nothing.

    The log names ten keys for each such role.

    Attributes:
        key: the name of the key.
        key_id: its id.
        role: the role.
    """

    name: ClassVar[str] = "role_missing"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str
    role: str

    def message(self) -> str:
        return (
            f"the key '{self.key}' ({self.key_id}) has the role '{self.role}', which the "
            "configuration has not: it grants nothing"
        )


@dataclass(frozen=True, slots=True)
class RolesChanged(Event):
    """A role grants less than when these keys were made; give them another one besides.

    Attributes:
        keys: the names of the keys.
        role: the role that they have.
        add: the role that grants again what it no longer does.
    """

    name: ClassVar[str] = "roles_changed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate"

    keys: tuple[str, ...]
    role: str
    add: str

    def message(self) -> str:
        names = ", ".join(f"'{each}'" for each in self.keys)
        return (
            f"the role {self.role} does not allow calls of models through MLflow's AI gateway any "
            f"longer, since they cost money; these keys could make them before: {names}. Give the "
            f"role {self.add} to those that are to go on: headgate keys set-roles NAME "
            f"--role {self.role} --role {self.add}. A key whose roles are set, to any, is not "
            "named again"
        )
