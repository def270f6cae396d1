"""Makes views of records."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.identity.errors import Invalid
from headgate.identity.requests import KeyFilter
from headgate.identity.views import STATES, KeyList, KeyView, LastUse, PrincipalView
from headgate.identity.work import Work
from headgate.policy import write_grant
from headgate.stores.records import KeyRecord, KeyState, KeyUse, PrincipalRecord


def principal(record: PrincipalRecord, active_keys: int) -> PrincipalView:
    """A principal as it is shown."""
    return PrincipalView(
        id=record.id,
        name=record.name,
        kind=record.kind,
        roles=record.roles,
        created_at=record.created_at,
        created_by=record.created_by,
        description=record.description,
        disabled_at=record.disabled_at,
        active_keys=active_keys,
    )


def one_principal(work: Work, record: PrincipalRecord) -> PrincipalView:
    """A principal, with the number of its active keys."""
    return principal(record, sum(map(work.is_active, work.store.keys(record.id))))


def principals(work: Work) -> list[PrincipalView]:
    """Every principal, oldest first; those last that are made up for keys of older gates."""
    stored = {each.id: each for each in work.store.principals()}
    counts = dict.fromkeys(stored, 0)
    records = work.store.keys()
    for key in records:
        owner = work.owner(key) if key.principal_id not in stored else stored[key.principal_id]
        stored.setdefault(owner.id, owner)
        counts[owner.id] = counts.get(owner.id, 0) + work.is_active(key)
    return [principal(record, counts[record.id]) for record in stored.values()]


def one_key(work: Work, record: KeyRecord, *, with_grants: bool = False) -> KeyView:
    """A key as it is shown."""
    replacement = work.replacement(record)
    return _key(
        work,
        record,
        work.owner(record),
        work.store.uses(),
        "" if replacement is None else replacement.id,
        with_grants=with_grants,
    )


def keys(work: Work, wanted: KeyFilter) -> KeyList:
    """The keys that meet a filter, oldest first.

    Raises:
        NotFound: there is no such principal.
        Invalid: there is no such state.
    """
    if wanted.state is not None and wanted.state not in STATES:
        raise Invalid(f"a key is {', '.join(STATES)}, not {wanted.state!r}", "state")
    owner_id = None if wanted.principal is None else work.principal(wanted.principal).id
    owners = {each.id: each for each in work.store.principals()}
    uses = work.store.uses()
    records = work.store.keys()
    replaced_by = {each.replaces: each.id for each in records if each.replaces}
    found = []
    for record in records:
        owner = owners.get(record.principal_id) or work.owner(record)
        if owner_id in (None, owner.id) and _ends_within(work, record, wanted.expiring_within):
            view = _key(work, record, owner, uses, replaced_by.get(record.id, ""))
            if wanted.state in (None, view.state):
                found.append(view)
    return KeyList(found, tuple(map(str, work.store.unreadable())))


def _ends_within(work: Work, record: KeyRecord, seconds: float | None) -> bool:
    if seconds is None:
        return True
    return (
        work.is_active(record)
        and record.expires_at is not None
        and record.expires_at - work.now <= seconds
    )


def _key(
    work: Work,
    record: KeyRecord,
    owner: PrincipalRecord,
    uses: Mapping[str, KeyUse],
    replaced_by: str,
    *,
    with_grants: bool = False,
) -> KeyView:
    use = uses.get(record.id)
    state = record.state(work.now)
    disabled = state is KeyState.ACTIVE and owner.disabled_at is not None
    return KeyView(
        id=record.id,
        name=record.name,
        principal_id=owner.id,
        principal=owner.name,
        roles=record.roles,
        state="disabled" if disabled else state.value,
        created_at=record.created_at,
        created_by=record.created_by,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        description=record.description,
        narrowing=record.narrowing,
        last_use=None if use is None else LastUse(use.used_at, use.address),
        replaces=record.replaces,
        replaced_by=replaced_by,
        break_glass=record.break_glass,
        grants=tuple(map(write_grant, work.reach.of_key(record, owner))) if with_grants else None,
    )
