"""The endpoints of the admin API, in one table.

Their methods, paths and what a key needs for them are in ``headgate/contract/rules.txt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headgate.control.api import keys, maintenance_schema, principals, schema
from headgate.control.api.call import Handle
from headgate.control.api.values import Model


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is asked for with one operation.

    Attributes:
        summary: what it does, in some words.
        response: what a good response is.
        handle: does it on the key store; none: it needs no key store.
        query: the parameters of the query string; none: it takes no query.
        body: the body; none: it takes no body.
        body_optional: the body may be left out.
        status: of a good response.
        conflicts: it can be at odds with what is there.
        about: more than ``summary`` says, for the documentation.
    """

    summary: str
    response: type[Model] | None
    handle: Handle | None = None
    query: type[Model] | None = None
    body: type[Model] | None = None
    body_optional: bool = False
    status: int = 200
    conflicts: bool = False
    about: str = ""


PREFIX: Final = "gate/api/"
"""What the names of the operations begin with in the contract."""

_NO_MORE: Final = "You must have every grant that it gives; otherwise the response is 403."
_SECRET: Final = "The response has the new key's secret, once: a lost response is a lost key."  # noqa: S105

ENDPOINTS: Final[Mapping[str, Endpoint]] = MappingProxyType(
    {
        "description": Endpoint("This description", None),
        "me": Endpoint("Show who you are, and what you may do", schema.Me),
        "roles/list": Endpoint("List the roles in force", schema.RoleList),
        "keys/list": Endpoint(
            "List keys, oldest first", schema.KeyPage, keys.list_, query=schema.KeyQuery
        ),
        "keys/create": Endpoint(
            "Create a key",
            schema.NewKey,
            keys.create,
            body=schema.KeyRequest,
            status=201,
            conflicts=True,
            about=f"{_NO_MORE} {_SECRET}",
        ),
        "keys/import": Endpoint(
            "Import keys by the SHA-256 of their secrets",
            schema.ImportedKeys,
            keys.import_,
            body=schema.KeyImport,
            status=201,
            conflicts=True,
            about=f"{_NO_MORE} All keys are imported, or none.",
        ),
        "keys/break-glass": Endpoint(
            "Create a short-lived administrator's key for an emergency",
            schema.NewKey,
            keys.break_glass,
            body=schema.BreakGlassRequest,
            status=201,
            conflicts=True,
            about=f"Needs `*:*`, and is announced in the event log of every gate. {_SECRET}",
        ),
        "keys/get": Endpoint("Show a key", schema.OneKey, keys.get),
        "keys/change": Endpoint(
            "Change a key's roles, narrowing or description",
            schema.ChangedKey,
            keys.change,
            body=schema.KeyChange,
            conflicts=True,
            about="You must have every grant that the key has before the change and after it.",
        ),
        "keys/rotate": Endpoint(
            "Replace a key by another with the same roles",
            schema.NewKey,
            keys.rotate,
            body=schema.Rotation,
            body_optional=True,
            status=201,
            conflicts=True,
            about=f"{_NO_MORE} The old key is accepted for a while longer. {_SECRET}",
        ),
        "keys/expire": Endpoint(
            "Set when a key expires",
            schema.OneKey,
            keys.expire,
            body=schema.Expiry,
            conflicts=True,
            about="To give a key longer than it has, you must have every grant that it gives.",
        ),
        "keys/revoke": Endpoint(
            "Revoke a key",
            schema.RevokedKey,
            keys.revoke,
            body=schema.Nothing,
            body_optional=True,
            about="Every gate refuses it within 2 seconds. Revoking it again changes nothing.",
        ),
        "principals/list": Endpoint(
            "List principals, oldest first",
            schema.PrincipalPage,
            principals.list_,
            query=schema.PrincipalQuery,
        ),
        "principals/create": Endpoint(
            "Create a principal",
            schema.OnePrincipal,
            principals.create,
            body=schema.PrincipalRequest,
            status=201,
            conflicts=True,
            about=_NO_MORE,
        ),
        "principals/get": Endpoint("Show a principal", schema.OnePrincipal, principals.get),
        "principals/change": Endpoint(
            "Change a principal's name, roles or description",
            schema.OnePrincipal,
            principals.change,
            body=schema.PrincipalChange,
            conflicts=True,
            about="You must have every grant that it has before the change and after it.",
        ),
        "principals/disable": Endpoint(
            "Disable a principal",
            schema.OnePrincipal,
            principals.disable,
            body=schema.Nothing,
            body_optional=True,
            about="Every gate refuses its keys within 2 seconds.",
        ),
        "principals/enable": Endpoint(
            "Enable a principal",
            schema.OnePrincipal,
            principals.enable,
            body=schema.Nothing,
            body_optional=True,
            about=_NO_MORE,
        ),
        "log-levels/list": Endpoint(
            "Show how much each part of the gate logs", schema.LogLevelList
        ),
        "log-levels/set": Endpoint(
            "Set how much a part of the gate logs, for a while",
            schema.LogLevelList,
            body=schema.LogLevelChange,
            about="It holds in all processes of this gate within a second, also in those that "
            "start later, and ends by itself.",
        ),
        "log-levels/reset": Endpoint(
            "Put one part, or all, back at the usual level",
            schema.LogLevelList,
            body=schema.LogLevelReset,
        ),
        "upstreams/list": Endpoint(
            "Show what is asked of upstreams, and how their gates stand",
            maintenance_schema.UpstreamList,
            conflicts=True,
        ),
        "upstreams/get": Endpoint(
            "Show what is asked of an upstream, and how its gates stand",
            maintenance_schema.Upstream,
            conflicts=True,
        ),
        "upstreams/park": Endpoint(
            "Park an upstream",
            maintenance_schema.Upstream,
            body=maintenance_schema.ParkRequest,
            conflicts=True,
            about="New requests wait at every gate that shares the store. It takes a moment until "
            "`drained` is true: ask again and again until then.",
        ),
        "upstreams/renew": Endpoint(
            "Renew the lease of a park",
            maintenance_schema.Upstream,
            body=maintenance_schema.RenewRequest,
            conflicts=True,
        ),
        "upstreams/unpark": Endpoint(
            "End a park",
            maintenance_schema.Upstream,
            body=maintenance_schema.UnparkRequest,
            body_optional=True,
            conflicts=True,
            about="Unparking an upstream that is not parked changes nothing. The one who holds a "
            "lease ends it by naming it; others need `force`.",
        ),
        "upstreams/read-only": Endpoint(
            "Make an upstream read-only, or writable again",
            maintenance_schema.Upstream,
            body=maintenance_schema.ReadOnlyRequest,
            conflicts=True,
        ),
        "gates/list": Endpoint(
            "List the gates that follow what is asked of upstreams",
            maintenance_schema.GateList,
            conflicts=True,
        ),
        "gates/remove": Endpoint(
            "Remove a gate that is gone",
            maintenance_schema.OneGate,
            body=schema.Nothing,
            body_optional=True,
            conflicts=True,
            about="A park no longer waits for its acknowledgement. A gate that is not gone is "
            "registered again with its next report.",
        ),
    }
)
"""Every endpoint, by the name of its operation in the contract after ``PREFIX``."""
