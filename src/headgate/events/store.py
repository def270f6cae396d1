"""Events of what others have changed in the key store; worker 0 of each gate logs them.

Whatever made the change, each gate that shares the store says that it was made.  Who did is known
of what is new; of a change through an admin API, the gate that made it logs ``administered``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event


@dataclass(frozen=True, slots=True)
class KeyAdded(Event):
    """A key was created, imported or rotated, by the command line or through any gate.

    Attributes:
        key: its name.
        key_id: its id.
        principal: whose it is.
        created_by: who made it: the id of a principal, or what else did, such as `cli`.
        roles: its roles.
        expires: when it ends, or `never`.
    """

    name: ClassVar[str] = "key_added"
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str
    principal: str
    created_by: str
    roles: tuple[str, ...]
    expires: str

    def message(self) -> str:
        return (
            f"the key '{self.key}' ({self.key_id}) of '{self.principal}' is new, made by "
            f"{self.created_by or 'an older gate'}: roles {', '.join(self.roles) or 'none'}, "
            f"ends {self.expires}"
        )


@dataclass(frozen=True, slots=True)
class KeyAltered(Event):
    """The roles, the narrowing or the end of a key were changed.

    Attributes:
        key: its name.
        key_id: its id.
        changed: what was changed: `roles`, `narrowing`, `expires`.
        roles: its roles now.
        expires: when it ends now, or `never`.
    """

    name: ClassVar[str] = "key_altered"
    logger: ClassVar[str] = "headgate.auth"

    key: str
    key_id: str
    changed: tuple[str, ...]
    roles: tuple[str, ...]
    expires: str

    def message(self) -> str:
        return (
            f"the key '{self.key}' ({self.key_id}) has changed ({', '.join(self.changed)}): roles "
            f"{', '.join(self.roles) or 'none'}, ends {self.expires}"
        )


@dataclass(frozen=True, slots=True)
class PrincipalAdded(Event):
    """A principal was created.

    Attributes:
        principal: its name.
        principal_id: its id.
        kind: `person` or `service`.
        created_by: who made it: the id of a principal, or what else did, such as `cli`.
        roles: its roles.
    """

    name: ClassVar[str] = "principal_added"
    logger: ClassVar[str] = "headgate.auth"

    principal: str
    principal_id: str
    kind: str
    created_by: str
    roles: tuple[str, ...]

    def message(self) -> str:
        return (
            f"the principal '{self.principal}' ({self.principal_id}, {self.kind}) is new, made by "
            f"{self.created_by or 'an older gate'}: roles {', '.join(self.roles) or 'none'}"
        )


@dataclass(frozen=True, slots=True)
class PrincipalAltered(Event):
    """The name or the roles of a principal were changed.

    Attributes:
        principal: its name now.
        principal_id: its id.
        roles: its roles now.
        before: its name before.
    """

    name: ClassVar[str] = "principal_altered"
    logger: ClassVar[str] = "headgate.auth"

    principal: str
    principal_id: str
    roles: tuple[str, ...]
    before: str

    def message(self) -> str:
        return (
            f"the principal '{self.principal}' ({self.principal_id}), before '{self.before}', has "
            f"changed: roles {', '.join(self.roles) or 'none'}"
        )


@dataclass(frozen=True, slots=True)
class StoreChanged(Event):
    """More keys and principals were added or changed together than the log names one by one.

    Attributes:
        count: how many more.
    """

    name: ClassVar[str] = "store_changed"
    logger: ClassVar[str] = "headgate.auth"

    count: int

    def message(self) -> str:
        return f"{self.count} more keys and principals were added or changed"
