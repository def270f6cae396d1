"""The rules for keys: what a new one may do, and how one is replaced, changed and ended."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headgate.auth.keys.form import RANDOM_BYTES, mint
from headgate.identity import lives, principals
from headgate.identity.errors import Conflict, Invalid
from headgate.identity.naming import (
    BREAK_GLASS,
    checked_name,
    checked_text,
    new_key_id,
    new_principal_id,
)
from headgate.identity.reach import ADMINISTER, checked_narrowing, lacking, listed
from headgate.identity.requests import KeyChange, NewKey, Rotation
from headgate.identity.work import Work
from headgate.policy import ADMIN, DEFAULT_ROLES, covers
from headgate.stores.records import ROLES_EDITION, KeyRecord, PrincipalKind, PrincipalRecord

HandOver = Callable[[KeyRecord, str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What was done: the key, and sentences on what else was changed."""

    key: KeyRecord
    notes: tuple[str, ...] = ()


def new_secret() -> str:
    """A key that nobody has."""
    return mint(secrets.token_bytes(RANDOM_BYTES))


def create(work: Work, new: NewKey, sha256: bytes) -> Made:
    """Add a key, known by the SHA-256 of its secret.

    Raises:
        IdentityError: see ``Administration.create_key``.
    """
    work.reach.require(work.actor, ADMINISTER, "creating a key")
    name = checked_name(new.name)
    owner, notes = _owner(work, new, name)
    if owner.disabled_at is not None:
        raise _disabled(owner)
    roles = _roles(work, new.roles, owner)
    if new.widen_account and new.principal is None:
        owner, widened = _widened(work, owner, name, roles)
        notes += widened
    record = KeyRecord(
        id=new_key_id(),
        name=name,
        digest=sha256,
        created_at=int(work.now),
        expires_at=lives.first_end(new.expires_at, work.rules, work.now),
        roles=roles,
        principal_id=owner.id,
        description=checked_text(new.description, "description"),
        narrowing=checked_narrowing(new.narrowing),
        created_by=work.actor.id,
    )
    _require_within(work, record, owner)
    _require_free(work, name)
    _require_reach(work, record, owner)
    work.store.put_principal(owner)
    work.store.put_key(record)
    return Made(record, notes)


def rotate(work: Work, name_or_id: str, wanted: Rotation, sha256: bytes) -> tuple[Made, KeyRecord]:
    """Replace a key by one that may do the same; the second value is the old one as it is now.

    Raises:
        IdentityError: see ``Administration.rotate_key``.
    """
    work.reach.require(work.actor, ADMINISTER, "rotating a key")
    old = work.adopted(work.key(name_or_id))
    owner = work.owner(old)
    what = _called(old)
    if not work.is_active(old):
        raise Conflict(f"{what} is {old.state(work.now)}; create a new one instead")
    if old.break_glass:
        raise Conflict(f"{what} was made in an emergency and is not rotated; create a new one")
    newer = work.replacement(old)
    if newer is not None and work.is_active(newer):
        raise Conflict(f"{what} was replaced by {newer.id} already; rotate that one")
    if owner.disabled_at is not None:
        raise _disabled(owner)
    _require_reach(work, old, owner)
    overlap = work.rules.rotation_overlap if wanted.overlap is None else wanted.overlap
    if not 0 <= overlap < math.inf:
        raise Invalid("the overlap is a number of seconds, 0 or more", "overlap")
    if wanted.expires_at is None:
        end = lives.next_end(old, work.rules, work.now)
    else:
        end = lives.first_end(wanted.expires_at, work.rules, work.now)
    new = replace(
        old,
        id=new_key_id(),
        digest=sha256,
        created_at=int(work.now),
        created_by=work.actor.id,
        expires_at=end,
        replaces=old.id,
    )
    last = int(work.now + overlap)
    old = replace(old, expires_at=last if old.expires_at is None else min(last, old.expires_at))
    work.store.put_key(old)
    work.store.put_key(new)
    return Made(new), old


def revoke(work: Work, name_or_id: str) -> tuple[KeyRecord, bool]:
    """End a key for good; the second value is whether it was ended so before.

    It takes no rights from the actor, so ``administer:gate`` is enough.

    Raises:
        IdentityError: see ``Administration.revoke_key``.
    """
    work.reach.require(work.actor, ADMINISTER, "revoking a key")
    record = work.key(name_or_id)
    if record.revoked_at is not None:
        return record, True
    record = replace(record, revoked_at=int(work.now))
    work.store.put_key(record)
    return record, False


def expire(work: Work, name_or_id: str, end: float) -> KeyRecord:
    """Give a key another end: an earlier one, or a later one within the rules.

    Raises:
        IdentityError: see ``Administration.expire_key``.
    """
    work.reach.require(work.actor, ADMINISTER, "changing the end of a key")
    record = work.key(name_or_id)
    what = _called(record)
    if not work.is_active(record):
        raise Conflict(f"{what} is {record.state(work.now)} already, which is for good")
    if record.expires_at is None or end <= record.expires_at:
        checked: int | None = lives.earlier_end(end, work.now)
    else:
        _require_extensible(work, record)
        checked = lives.checked_end(end, work.rules, record.created_at, work.now)
    if checked != record.expires_at:
        record = replace(record, expires_at=checked)
        work.store.put_key(record)
    return record


def change(work: Work, name_or_id: str, wanted: KeyChange) -> Made:
    """Change what a key may do, or what is said of it.

    Raises:
        IdentityError: see ``Administration.change_key``.
    """
    work.reach.require(work.actor, ADMINISTER, "changing a key")
    before = work.key(name_or_id)
    if before.revoked_at is not None:
        raise Conflict(f"{_called(before)} is revoked already")
    before = work.adopted(before)
    owner = work.owner(before)
    _require_reach(work, before, owner)
    after, notes = before, tuple[str, ...]()
    if wanted.roles is not None:
        roles = principals.given_roles(work, wanted.roles, "a key")
        after = replace(after, roles=roles, roles_edition=ROLES_EDITION)
        if wanted.widen_account:
            owner, notes = _widened(work, owner, after.name, roles)
    if wanted.narrowing is not None:
        after = replace(after, narrowing=checked_narrowing(wanted.narrowing))
    if wanted.description is not None:
        after = replace(after, description=checked_text(wanted.description, "description"))
    if (after.roles, after.narrowing) != (before.roles, before.narrowing):
        _require_within(work, after, owner)
    _require_reach(work, after, owner)
    if notes:
        work.store.put_principal(owner)
    if after != before:
        work.store.put_key(after)
    return Made(after, notes)


def for_emergency(work: Work, reason: str, life: float, name: str, sha256: bytes) -> KeyRecord:
    """Add a key of an administrator, of the service account for emergencies.

    Raises:
        IdentityError: see ``Administration.create_break_glass``.
    """
    work.reach.require(work.actor, ADMINISTER, "creating a key")
    reason = checked_text(reason, "reason")
    if not reason:
        raise Invalid("a key for an emergency needs a reason, for the record", "reason")
    if not 0 < life <= lives.BREAK_GLASS_LIFE:
        most = lives.in_words(lives.BREAK_GLASS_LIFE)
        raise Invalid(f"a key for an emergency lives at most {most}", "expires_at")
    owner = work.store.principal(BREAK_GLASS) or PrincipalRecord(
        id=new_principal_id(),
        name=BREAK_GLASS,
        kind=PrincipalKind.SERVICE,
        roles=(ADMIN,),
        created_at=int(work.now),
        created_by=work.actor.id,
        description="keys for emergencies",
    )
    if owner.disabled_at is not None:
        raise _disabled(owner)
    key_id = new_key_id()
    record = KeyRecord(
        id=key_id,
        name=checked_name(name) if name else f"{BREAK_GLASS}-{key_id.removeprefix('k_')}",
        digest=sha256,
        created_at=int(work.now),
        expires_at=int(work.now + life),
        roles=(ADMIN,),
        principal_id=owner.id,
        created_by=work.actor.id,
        break_glass=reason,
    )
    _require_within(work, record, owner)
    _require_free(work, record.name)
    _require_reach(work, record, owner)
    work.store.put_principal(owner)
    work.store.put_key(record)
    return record


def _owner(work: Work, new: NewKey, name: str) -> tuple[PrincipalRecord, tuple[str, ...]]:
    """Whose a new key is to be; an account that is made for it is not stored yet."""
    if new.principal is not None:
        owner = work.stored(work.principal(new.principal))
    else:
        found = work.store.principal(name)
        if found is None:
            principals.free_name(work, name)
            roles = principals.given_roles(
                work, DEFAULT_ROLES if new.roles is None else new.roles, "a key"
            )
            owner = PrincipalRecord(
                id=new_principal_id(),
                name=name,
                kind=PrincipalKind.SERVICE,
                roles=roles,
                created_at=int(work.now),
                created_by=work.actor.id,
            )
            return owner, (f"made the service account '{name}' ({owner.id})",)
        owner = found
    if owner.name == BREAK_GLASS:
        raise Invalid(
            f"keys of '{BREAK_GLASS}' are made with: headgate keys create --break-glass",
            "principal",
        )
    return owner, ()


def _roles(work: Work, asked: Sequence[str] | None, owner: PrincipalRecord) -> tuple[str, ...]:
    if asked is not None:
        return principals.given_roles(work, asked, "a key")
    if covers(work.reach.of_roles(owner.roles), work.reach.of_roles(DEFAULT_ROLES)):
        return DEFAULT_ROLES
    return principals.given_roles(work, owner.roles, "a key")


def _widened(
    work: Work, owner: PrincipalRecord, name: str, roles: Sequence[str]
) -> tuple[PrincipalRecord, tuple[str, ...]]:
    """The account of one key, with the roles of that key too."""
    held = work.reach.of_roles(owner.roles)
    if (
        owner.kind is not PrincipalKind.SERVICE
        or owner.name != name
        or covers(held, work.reach.of_roles(roles))
        or any(work.is_active(key) and key.name != name for key in work.store.keys(owner.id))
    ):
        return owner, ()
    work.reach.require_principal(work.actor, owner)
    wider = replace(owner, roles=tuple(dict.fromkeys((*roles, *owner.roles))))
    note = f"its service account '{owner.name}' ({owner.id}) now has {', '.join(wider.roles)} too"
    return wider, (note,)


def _require_within(work: Work, key: KeyRecord, owner: PrincipalRecord) -> None:
    """Check that a key is no wider than its principal, and may do something."""
    missing = lacking(work.reach.of_roles(owner.roles), work.reach.of_roles(key.roles))
    if missing:
        raise Invalid(
            f"the principal '{owner.name}' ({owner.id}) may not do {listed(missing)}, so a key of "
            "it may not either; choose fewer roles, or give it more: headgate principals set-roles",
            "roles",
        )
    if key.narrowing and not work.reach.of_key(key, owner):
        raise Invalid(
            "the narrowing leaves the key nothing that its roles allow; choose other grants",
            "narrowing",
        )


def _require_reach(work: Work, key: KeyRecord, owner: PrincipalRecord) -> None:
    work.reach.require_principal(work.actor, owner)
    work.reach.require_key(work.actor, key)


def _require_free(work: Work, name: str) -> None:
    for holder in work.active_named(name):
        raise Conflict(
            f"the key {holder.id} has the name '{holder.name}' already; "
            "choose another name, or revoke that key first"
        )


def _require_extensible(work: Work, key: KeyRecord) -> None:
    """Check that a key may get a later end."""
    if key.break_glass:
        raise Conflict(f"{_called(key)} was made in an emergency; it cannot live longer")
    newer = work.replacement(key)
    if newer is not None:
        raise Conflict(f"{_called(key)} was replaced by {newer.id}; it cannot live longer")
    _require_reach(work, key, work.owner(key))


def _disabled(owner: PrincipalRecord) -> Conflict:
    return Conflict(
        f"the principal '{owner.name}' ({owner.id}) is disabled; enable it first: "
        f"headgate principals enable {owner.id}"
    )


def _called(key: KeyRecord) -> str:
    return f"the key '{key.name}' ({key.id})"
