"""The endpoints of keys."""

from __future__ import annotations

import math

from headgate.control.api import schema, views
from headgate.control.api.call import Call, Done, Noted
from headgate.control.api.values import seconds_of
from headgate.events import Change
from headgate.identity import (
    BreakGlass,
    ImportedKey,
    Issued,
    KeyChange,
    KeyFilter,
    KeyView,
    NewKey,
    Rotation,
)


def list_(call: Call, asked: schema.KeyQuery) -> Done:
    """List keys."""
    wanted = KeyFilter(asked.principal, asked.state, asked.expiring_within, asked.name)
    found = call.administration.key_page(call.actor, wanted, after=asked.cursor, limit=asked.limit)
    response = schema.KeyPage(
        keys=[_key(call, each) for each in found.keys],
        unreadable=list(found.unreadable),
        next_cursor=found.following,
    )
    return Done(response)


def get(call: Call, _asked: object) -> Done:
    """Show one key."""
    return Done(schema.OneKey(key=_key(call, call.administration.key(call.actor, call.target))))


def create(call: Call, asked: schema.KeyRequest) -> Done:
    """Create a key."""
    issued = call.administration.create_key(call.actor, _new(asked))
    return _issued(call, Change.KEY_CREATED, issued)


def break_glass(call: Call, asked: schema.BreakGlassRequest) -> Done:
    """Create a key for an emergency."""
    wanted = BreakGlass(asked.reason, asked.life, asked.name or "")
    issued = call.administration.create_break_glass(call.actor, wanted)
    return _issued(call, Change.BREAK_GLASS_CREATED, issued)


def import_(call: Call, asked: schema.KeyImport) -> Done:
    """Import keys by the SHA-256 of their secrets."""
    wanted = [ImportedKey(_new(each), bytes.fromhex(each.sha256)) for each in asked.keys]
    found = call.administration.import_keys(call.actor, wanted)
    return Done(
        schema.ImportedKeys(keys=[_key(call, each) for each in found]),
        tuple(_noted(Change.KEY_IMPORTED, each) for each in found),
    )


def change(call: Call, asked: schema.KeyChange) -> Done:
    """Change a key."""
    given = asked.model_fields_set
    changed = call.administration.change_key(
        call.actor,
        call.target,
        KeyChange(
            roles=asked.roles if "roles" in given else None,
            narrowing=asked.narrowing if "narrowing" in given else None,
            description=asked.description if "description" in given else None,
            widen_account=asked.widen_account,
        ),
    )
    return Done(
        schema.ChangedKey(key=_key(call, changed.key), notes=list(changed.notes)),
        (_noted(Change.KEY_CHANGED, changed.key),),
    )


def rotate(call: Call, asked: schema.Rotation) -> Done:
    """Replace a key."""
    wanted = Rotation(_end(asked.expires_at), asked.overlap)
    issued = call.administration.rotate_key(call.actor, call.target, wanted)
    return _issued(call, Change.KEY_ROTATED, issued)


def expire(call: Call, asked: schema.Expiry) -> Done:
    """Say when a key expires."""
    end = _end(asked.expires_at)
    key = call.administration.expire_key(call.actor, call.target, end or math.inf)
    return Done(schema.OneKey(key=_key(call, key)), (_noted(Change.KEY_EXPIRY_SET, key),))


def revoke(call: Call, _asked: object) -> Done:
    """Revoke a key."""
    revoked = call.administration.revoke_key(call.actor, call.target)
    response = schema.RevokedKey(
        key=_key(call, revoked.key),
        was_revoked=revoked.was_revoked,
        still_active=[_key(call, each) for each in revoked.still_active],
    )
    noted = () if revoked.was_revoked else (_noted(Change.KEY_REVOKED, revoked.key),)
    return Done(response, noted)


def _key(call: Call, view: KeyView) -> schema.Key:
    return views.key(view, with_address=call.may_administer)


def _issued(call: Call, change_: Change, issued: Issued) -> Done:
    response = schema.NewKey(
        key=_key(call, issued.key),
        secret=issued.secret,
        replaced=None if issued.replaced is None else _key(call, issued.replaced),
        notes=list(issued.notes),
    )
    return Done(response, (_noted(change_, issued.key),))


def _noted(change_: Change, key: KeyView) -> Noted:
    facts = [f"roles {', '.join(key.roles) or 'none'}", f"of '{key.principal}'"]
    if key.narrowing:
        facts.append(f"narrowed to {', '.join(key.narrowing)}")
    if key.replaces:
        facts.append(f"in place of {key.replaces}")
    if key.break_glass:
        facts.append(f"because: {key.break_glass}")
    return Noted(change_, key.name, key.id, "; ".join(facts))


def _new(asked: schema.KeyRequest) -> NewKey:
    return NewKey(
        name=asked.name,
        principal=asked.principal,
        roles=asked.roles,
        narrowing=asked.narrowing,
        description=asked.description,
        expires_at=_end(asked.expires_at),
        widen_account=asked.widen_account,
    )


def _end(asked: str | None) -> float | None:
    """Seconds since the epoch, ``inf`` for never."""
    if asked is None:
        return None
    return math.inf if asked == "never" else seconds_of(asked)
