"""Who sends a request to the admin API, as the data plane has authenticated them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from headgate.identity.naming import is_id
from headgate.model import Action, AuthMethod, Grant
from headgate.policy import covers, parse_grant

SENDER_HEADER = "x-headgate-sender"
"""What ``headgate.dataplane.terms.PrincipalLines`` writes; clients cannot send it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who asks, and what they may do: no more than the credentials that they have shown.

    Attributes:
        id: of the principal.
        name: of the principal.
        method: how they were identified.
        issuer: of their token, if they have shown one.
        credential: the id of their key, or of their token.
        roles: that the credentials have.
        grants: what they may do, after every narrowing.
    """

    id: str
    name: str
    method: AuthMethod
    issuer: str
    credential: str
    roles: tuple[str, ...]
    grants: tuple[Grant, ...]

    @property
    def has_stored_key(self) -> bool:
        """Whether they have shown a key of the key store, and not a token or a key besides it."""
        return self.method is AuthMethod.KEY and is_id(self.credential)

    def may(self, action: Action, family: str) -> bool:
        """Whether they may do this with the whole of a family."""
        return covers(self.grants, (Grant(action, family),))


def read_sender(value: str) -> Sender:
    """The sender that a value of ``SENDER_HEADER`` describes.

    Raises:
        ValueError: it is none: the data plane has not written it.
    """
    found = json.loads(value)
    return Sender(
        id=found["id"],
        name=found["name"],
        method=AuthMethod(found["method"]),
        issuer=found["issuer"],
        credential=found["credential"],
        roles=tuple(found["roles"]),
        grants=tuple(map(parse_grant, found["grants"])),
    )
