"""Who sends a request, and what they were granted."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from headgate.model.operation import Action, ObjectKind


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The objects that a grant is held to: those whose names fit ``pattern``.

    ``kind`` is ``EXPERIMENT``, which stands for all that lies in one too, or ``MODEL``.
    """

    kind: ObjectKind
    pattern: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that is allowed; ``None`` in a field stands for any."""

    action: Action | None
    family: str | None
    on: Narrowing | None = None
    upstream: str | None = None
    workspace: str | None = None


class GrantFromRole(NamedTuple):
    """A grant and the role that it comes from."""

    role: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Grants:
    """What the holder of a key may do, in the form in which ``headgate.policy`` is asked.

    Attributes:
        holder: what people call the key.
        roles: the roles it was given.
        missing: those of them that the configuration does not have.
        by_family: the grants that count for a family.
        everywhere: the actions that are allowed on all of a family, on every upstream.
        reads_all: whether everything that an operation can name may be read everywhere.
        ask_for: the role to ask for, by action and family, where there is one.
        noun: what the holder's credential is, for messages.
    """

    holder: str = ""
    roles: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    by_family: Mapping[str, tuple[GrantFromRole, ...]] = field(default_factory=dict, repr=False)
    everywhere: Mapping[str, tuple[Action, ...]] = field(default_factory=dict, repr=False)
    reads_all: bool = False
    ask_for: Mapping[tuple[Action, str], str] = field(default_factory=dict, repr=False)
    noun: str = "key"


NO_GRANTS: Final = Grants()


class AuthMethod(enum.StrEnum):
    """How a principal was identified."""

    NONE = "none"  # not at all
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - no secret, a kind of credentials


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, as one authenticator identified them.

    Attributes:
        id: tells one principal from every other and never changes, in printable ASCII: a name may
            be given to somebody else one day, an id is not.  Empty for ``NOBODY`` alone.
        name: what people call it.
        method: how it was identified.
        issuer: who vouches for that; empty for the gate itself.
        grants: what it may do.
        credential: the id of the credential that was shown, such as that of a key; never secret.
        response_lines: header lines that the responses to its requests have, each with its end.
    """

    id: str
    name: str
    method: AuthMethod
    issuer: str = ""
    grants: Grants = field(default=NO_GRANTS, compare=False, repr=False)
    credential: str = ""
    response_lines: bytes = field(default=b"", compare=False, repr=False)


NOBODY: Final = Principal("", "", AuthMethod.NONE)
"""The sender of a request that has not been authenticated."""
