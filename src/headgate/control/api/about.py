"""The endpoints about who asks, and about the roles in force."""

from __future__ import annotations

from headgate.control.api import schema
from headgate.control.api.sender import Sender
from headgate.policy import BUILT_IN, Roles, write_grant


def me(sender: Sender, key: schema.Key | None) -> schema.Me:
    """Who asks; ``key``: theirs, if it is known."""
    return schema.Me(
        principal_id=sender.id,
        principal=sender.name,
        method=sender.method.value,
        issuer=sender.issuer or None,
        credential=sender.credential or None,
        roles=list(sender.roles),
        grants=[write_grant(each) for each in sender.grants],
        key=key,
    )


def roles_in_force(roles: Roles) -> schema.RoleList:
    """Every role that a key can be given."""
    return schema.RoleList(roles=[_role(roles, name) for name in roles.names])


def _role(roles: Roles, name: str) -> schema.Role:
    built_in = BUILT_IN.get(name)
    text = roles.text(name)
    return schema.Role(
        name=name,
        built_in=built_in is not None,
        meaning="" if built_in is None else built_in.meaning,
        grants=list(text.grants),
        includes=list(text.includes),
        all_grants=list(dict.fromkeys(write_grant(each.grant) for each in roles.given(name))),
    )
