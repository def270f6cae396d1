"""What the admin API takes and returns: the one description of it.

Requests are validated with these models, responses are made of them, and the OpenAPI document has
their JSON schemas.  Every model is closed: a field that it does not have is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
)

from headgate.control.api.values import (
    LARGEST_IMPORT,
    MOST_SECONDS,
    PAGE,
    Change,
    Cursor,
    End,
    Limit,
    Model,
    Name,
    Narrowing,
    RoleNames,
    State,
    Text,
    Timestamp,
    number_in_text,
    whole_number,
)
from headgate.telemetry.log_control import MODULES


class Nothing(Model):
    """A request without any field; its body may be left out."""


# --- keys ----------------------------------------------------------------------------------


class LastUse(Model):
    """When a key was last used, and from where; some seconds late, since uses are batched."""

    at: Timestamp
    address: str = Field(
        description="The client's address; empty unless you may `administer:gate`."
    )


class Owner(Model):
    """The principal that a key belongs to."""

    id: str
    name: str


class Key(Model):
    """A key, without its secret, which is not stored."""

    id: str = Field(description="`k_` and 8 characters; not secret.", examples=["k_7dQ2mhX4"])
    name: str
    principal: Owner
    state: State = Field(
        description="`disabled`: it would be active if its principal were enabled."
    )
    roles: list[str] = Field(description="What it may do, if its principal may do it too.")
    narrowing: list[str] = Field(
        description="Grants that hold it to less than its roles allow; none: they do not."
    )
    description: str
    created_at: Timestamp
    created_by: str = Field(description="The id of a principal, or what else made it: `cli`.")
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used: LastUse | None
    replaces: str | None = Field(description="The id of the key that it replaces.")
    replaced_by: str | None = Field(description="The id of the key that replaces it.")
    break_glass: str | None = Field(description="Why it was made in an emergency, if it was.")
    grants: list[str] = Field(
        default_factory=list,
        description="What it may do, all told; only where one key is shown.",
    )


class KeyPage(Model):
    """Keys, oldest first."""

    keys: list[Key]
    unreadable: list[str] = Field(description="Keys of the store that cannot be read, and why.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to get the next page; `null`: this is the last. Of many "
        "keys of which a filter fits few, a page may have fewer than `limit`, even none, without "
        "being the last."
    )


class KeyQuery(Model):
    """Which keys to list: those that meet all that is given."""

    name: Name | None = Field(None, description="Those of exactly this name.")
    principal: Name | None = Field(None, description="Those of the principal with this name or id.")
    state: State | None = Field(None, description="Those in this state.")
    expiring_within: (
        Annotated[int, Field(ge=1, le=MOST_SECONDS), BeforeValidator(number_in_text)] | None
    ) = Field(None, description="Those that end within so many seconds.")
    limit: Limit = PAGE
    cursor: Cursor | None = Field(None, description="The `next_cursor` of the page before.")


class KeyRequest(Model):
    """A key to create."""

    name: Name = Field(description="What people call it; no other active key has it.")
    principal: Name | None = Field(
        None,
        description="The name or id of the principal that it belongs to. Default: the service "
        "account of the key's name, which is made with the key's roles if there is none.",
    )
    roles: RoleNames | None = Field(
        None,
        description="Not wider than the principal's. Default: `writer` and `publisher`, or the "
        "principal's own.",
    )
    narrowing: Narrowing = Field(
        [], description="Grants that hold it to less than its roles allow, such as `read:runs`."
    )
    description: Text = ""
    expires_at: End | None = Field(
        None, description="When it expires. Default: `auth.keys.default_life` from now."
    )
    widen_account: bool = Field(
        False,
        description="Give the roles to its service account too, where that has no other keys.",
    )


class ImportedKey(KeyRequest):
    """A key that exists already, by the SHA-256 of its secret, which the gate never sees."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="The SHA-256 of the whole key, in lower-case hexadecimal."
    )


class KeyImport(Model):
    """Keys to import: all of them, or none if something is wrong with one."""

    keys: Annotated[list[ImportedKey], Field(min_length=1, max_length=LARGEST_IMPORT)]


class BreakGlassRequest(Model):
    """A short-lived key that may do everything, for an emergency."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="Why; it is in the event log of every gate."
    )
    life: Annotated[int, Field(ge=60, le=86_400), BeforeValidator(whole_number)] = Field(
        3600, description="Seconds until it expires."
    )
    name: Name | None = Field(None, description="What to call it. Default: a name is made.")


class KeyChange(Change):
    """What to change of a key; what is left out stays as it is."""

    roles: RoleNames = Field(default_factory=list)
    narrowing: Narrowing = Field(
        default_factory=list, description="An empty list ends the narrowing."
    )
    description: Text = Field(default_factory=str)
    widen_account: bool = Field(
        default=False,
        description="Give the roles to its service account too, where that has no other keys.",
    )


class Rotation(Model):
    """How to replace a key by another; the body may be left out."""

    overlap: Annotated[int, Field(ge=0, le=MOST_SECONDS), BeforeValidator(whole_number)] | None = (
        Field(
            None,
            description="Seconds for which the old key is still accepted. Default: "
            "`auth.keys.rotation_overlap`.",
        )
    )
    expires_at: End | None = Field(
        None,
        description="When the new key expires. Default: it lives as long as the old one was to.",
    )


class Expiry(Model):
    """When a key is to stop being accepted."""

    expires_at: End


class NewKey(Model):
    """A key that was just made."""

    key: Key
    secret: str = Field(
        description="The key itself. It is in this response alone, since it is not stored."
    )
    replaced: Key | None = Field(description="The key that it replaces, as that is now.")
    notes: list[str] = Field(description="Sentences on what else was changed.")


class OneKey(Model):
    """A key."""

    key: Key


class ChangedKey(Model):
    """A key as it is now."""

    key: Key
    notes: list[str] = Field(description="Sentences on what else was changed.")


class RevokedKey(Model):
    """A key that is revoked now."""

    key: Key
    was_revoked: bool = Field(description="Whether it was revoked before.")
    still_active: list[Key] = Field(
        description="Other keys of its name that are accepted: those that it replaced, or that "
        "replace it."
    )


class ImportedKeys(Model):
    """The keys that were imported, in the order of the request."""

    keys: list[Key]


# --- principals ----------------------------------------------------------------------------


class Principal(Model):
    """A person or a service account, to which keys belong."""

    id: str = Field(description="`p_` and 8 characters; never changes.", examples=["p_2kD8fq1Z"])
    name: str
    kind: Literal["person", "service"]
    roles: list[str] = Field(description="What its keys may do at most.")
    state: Literal["active", "disabled"]
    description: str
    created_at: Timestamp
    created_by: str = Field(description="The id of a principal, or what else made it: `cli`.")
    disabled_at: Timestamp | None = Field(description="Since when none of its keys is accepted.")
    active_keys: int = Field(description="How many of its keys are active.")


class PrincipalPage(Model):
    """Principals, oldest first."""

    principals: list[Principal]
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to get the next page; `null`: this is the last."
    )


class PrincipalQuery(Model):
    """Which principals to list: those that meet all that is given."""

    name: Name | None = Field(None, description="The one of exactly this name.")
    limit: Limit = PAGE
    cursor: Cursor | None = Field(None, description="The `next_cursor` of the page before.")


class PrincipalRequest(Model):
    """A principal to create."""

    name: Name = Field(description="What people call it; no other principal has it.")
    kind: Literal["person", "service"] = "service"
    roles: RoleNames | None = Field(None, description="Default: `writer` and `publisher`.")
    description: Text = ""


class PrincipalChange(Change):
    """What to change of a principal; what is left out stays as it is."""

    name: Name = Field(default_factory=str)
    roles: RoleNames = Field(default_factory=list)
    description: Text = Field(default_factory=str)


class OnePrincipal(Model):
    """A principal as it is now."""

    principal: Principal


# --- roles, and who asks -------------------------------------------------------------------


class Role(Model):
    """A role in force."""

    name: str
    built_in: bool
    meaning: str = Field(description="Of a role that is built in; of your own ones: empty.")
    grants: list[str] = Field(description="Its own grants.")
    includes: list[str] = Field(description="The roles whose grants it has besides.")
    all_grants: list[str] = Field(description="Its own and those of the roles that it includes.")


class RoleList(Model):
    """The roles in force, those that are built in first."""

    roles: list[Role]


class Me(Model):
    """Who asks, and what they may do."""

    principal_id: str
    principal: str = Field(description="The principal's name.")
    method: Literal["none", "key", "token"] = Field(description="How you were identified.")
    issuer: str | None = Field(description="Who vouches for that; `null`: the gate itself.")
    credential: str | None = Field(description="The id of your key or token.")
    roles: list[str] = Field(description="Of the key or token.")
    grants: list[str] = Field(description="What you may do, after every narrowing.")
    key: Key | None = Field(
        description="Your key; `null` without one, or while the key store cannot be read."
    )


def _a_module(name: str) -> str:
    if name not in MODULES:
        raise ValueError(f"there is no such module; there are {', '.join(MODULES)}")
    return name


Module = Annotated[str, AfterValidator(_a_module), Field(json_schema_extra={"enum": list(MODULES)})]
LevelName = Literal["debug", "info", "warning", "error"]


class LogLevel(Model):
    """How much one part of the gate logs, in all its processes."""

    module: Module
    level: LevelName = Field(description="Events from this level on are logged.")
    ends_at: Timestamp | None = Field(
        description="When it is back at `info`; `null`: it is the usual level."
    )


class LogLevelList(Model):
    """The levels of all parts."""

    modules: list[LogLevel]


class LogLevelChange(Model):
    """Which level a part is to have, and for how long."""

    module: Module
    level: LevelName
    seconds: Annotated[int, BeforeValidator(whole_number)] = Field(
        600, ge=1, le=86_400, description="After that it is back at `info` by itself."
    )


class LogLevelReset(Model):
    """Which part is to be back at its usual level."""

    module: Module | Literal["all"]


class EntryProblem(Model):
    """What is wrong with one of several keys."""

    index: int = Field(description="Which, counted from 0.")
    message: str
    reason: str


class Error(Model):
    """Why a request was refused."""

    error_code: str = Field(description="A name of MLflow's error codes.")
    message: str = Field(description="One sentence for a person.")
    reason: str | None = Field(
        None,
        description="The same as in the header field `X-Headgate-Reason`. Not in refusals that are "
        "decided before the admin API is reached, such as 401 and 413.",
    )
    problems: list[EntryProblem] = Field(
        default_factory=list, description="All that is wrong, where keys were to be imported."
    )
