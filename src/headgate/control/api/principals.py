"""The endpoints of principals."""

from __future__ import annotations

from headgate.control.api import schema, views
from headgate.control.api.call import Call, Done, Noted
from headgate.events import Change
from headgate.identity import (
    NewPrincipal,
    NotFound,
    PrincipalChange,
    PrincipalPage,
    PrincipalView,
)
from headgate.policy import DEFAULT_ROLES
from headgate.stores.records import PrincipalKind


def list_(call: Call, asked: schema.PrincipalQuery) -> Done:
    """List principals."""
    if asked.name is not None:
        found = PrincipalPage(_named(call, asked.name), None)
    else:
        found = call.administration.principal_page(
            call.actor, after=asked.cursor, limit=asked.limit
        )
    shown = [views.principal(each) for each in found.principals]
    return Done(schema.PrincipalPage(principals=shown, next_cursor=found.following))


def get(call: Call, _asked: object) -> Done:
    """Show one principal."""
    return _now(call.administration.principal(call.actor, call.target))


def create(call: Call, asked: schema.PrincipalRequest) -> Done:
    """Create a principal."""
    wanted = NewPrincipal(
        name=asked.name,
        kind=PrincipalKind(asked.kind),
        roles=DEFAULT_ROLES if asked.roles is None else asked.roles,
        description=asked.description,
    )
    created = call.administration.create_principal(call.actor, wanted)
    return _now(created, Change.PRINCIPAL_CREATED)


def change(call: Call, asked: schema.PrincipalChange) -> Done:
    """Change a principal."""
    given = asked.model_fields_set
    wanted = PrincipalChange(
        name=asked.name if "name" in given else None,
        roles=asked.roles if "roles" in given else None,
        description=asked.description if "description" in given else None,
    )
    changed = call.administration.change_principal(call.actor, call.target, wanted)
    return _now(changed, Change.PRINCIPAL_CHANGED)


def disable(call: Call, _asked: object) -> Done:
    """Let none of a principal's keys be accepted."""
    disabled = call.administration.disable_principal(call.actor, call.target)
    return _now(disabled, Change.PRINCIPAL_DISABLED)


def enable(call: Call, _asked: object) -> Done:
    """Let a principal's keys be accepted again."""
    enabled = call.administration.enable_principal(call.actor, call.target)
    return _now(enabled, Change.PRINCIPAL_ENABLED)


def _named(call: Call, name: str) -> list[PrincipalView]:
    try:
        found = call.administration.principal(call.actor, name)
    except NotFound:
        return []
    return [found] if found.name == name else []  # it may be an id


def _now(view: PrincipalView, change_: Change | None = None) -> Done:
    response = schema.OnePrincipal(principal=views.principal(view))
    if change_ is None:
        return Done(response)
    detail = f"roles {', '.join(view.roles)}"
    return Done(response, (Noted(change_, view.name, view.id, detail),))
