"""What is done to principals and keys, and by whom: one set of rules for the CLI and the API."""

from headgate.identity.actor import Actor
from headgate.identity.administration import Administration, HandOver
from headgate.identity.client import IdentityClient, StoreClient
from headgate.identity.errors import (
    Conflict,
    EntryProblem,
    IdentityError,
    ImportRefused,
    Invalid,
    NotAllowed,
    NotFound,
)
from headgate.identity.requests import (
    BreakGlass,
    ImportedKey,
    KeyChange,
    KeyFilter,
    NewKey,
    NewPrincipal,
    PrincipalChange,
    Rotation,
)
from headgate.identity.views import (
    STATES,
    Changed,
    Issued,
    KeyList,
    KeyPage,
    KeyView,
    LastUse,
    PrincipalPage,
    PrincipalView,
    Revoked,
)

__all__ = [
    "STATES",
    "Actor",
    "Administration",
    "BreakGlass",
    "Changed",
    "Conflict",
    "EntryProblem",
    "HandOver",
    "IdentityClient",
    "IdentityError",
    "ImportRefused",
    "ImportedKey",
    "Invalid",
    "Issued",
    "KeyChange",
    "KeyFilter",
    "KeyList",
    "KeyPage",
    "KeyView",
    "LastUse",
    "NewKey",
    "NewPrincipal",
    "NotAllowed",
    "NotFound",
    "PrincipalChange",
    "PrincipalPage",
    "PrincipalView",
    "Revoked",
    "Rotation",
    "StoreClient",
]
