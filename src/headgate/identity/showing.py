"""Makes views of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.identity.errors import Invalid
from headgate.identity.naming import own_account, reference
from headgate.identity.requests import KeyFilter
from headgate.identity.views import (
    STATES,
    KeyList,
    KeyPage,
    KeyView,
    LastUse,
    PrincipalPage,
    PrincipalView,
)
from headgate.identity.work import Work
from headgate.policy import write_grant
from headgate.stores.records import KeyRecord, KeyState, KeyUse, PrincipalRecord

SCANNED: Final = 500
"""How many keys are read at a time where only some of them are meant."""
MOST_SCANNED: Final = 2_000
"""How many keys are read for one page; it takes some tens of milliseconds."""


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
    return principal(record, sum(map(work.is_active, _keys_of(work, record))))


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
        work.store.uses([record.id]),
        "" if replacement is None else replacement.id,
        with_grants=with_grants,
    )


def new_key(work: Work, record: KeyRecord) -> KeyView:
    """A key that was just made as it is shown: nobody has used or replaced it."""
    return _key(work, record, work.owner(record), {}, "")


def keys(work: Work, wanted: KeyFilter) -> KeyList:
    """The keys that meet a filter, oldest first.

    Raises:
        NotFound: there is no such principal.
        Invalid: there is no such state.
    """
    if wanted.state is not None and wanted.state not in STATES:
        raise Invalid(f"a key is {', '.join(STATES)}, not {wanted.state!r}", "state")
    if wanted.principal is None:
        owners = {each.id: each for each in work.store.principals()}
        records = work.store.keys()
        uses = work.store.uses()
    else:
        wanted_owner = work.principal(wanted.principal)
        owners = {wanted_owner.id: wanted_owner}
        records = _keys_of(work, wanted_owner)
        uses = work.store.uses([each.id for each in records])
    replaced_by = {each.replaces: each.id for each in records if each.replaces}
    found = []
    for record in records:
        owner = owners.get(record.principal_id) or work.owner(record)
        if wanted.name not in (None, record.name):
            continue
        if _ends_within(work, record, wanted.expiring_within):
            view = _key(work, record, owner, uses, replaced_by.get(record.id, ""))
            if wanted.state in (None, view.state):
                found.append(view)
    return KeyList(found, tuple(map(str, work.store.unreadable())))


def key_page(work: Work, wanted: KeyFilter, after: int, limit: int) -> KeyPage:
    """At most ``limit`` of the keys that meet a filter, oldest first, from after a number on.

    Fewer where so few of many keys meet it that looking for more would take long.

    Raises:
        NotFound: there is no such principal.
    """
    owner_id = None if wanted.principal is None else work.principal(wanted.principal).id
    name = None if wanted.name is None else reference(wanted.name)
    is_sparse = wanted.state is not None or wanted.expiring_within is not None
    owners: dict[str, PrincipalRecord] = {}
    chosen: list[KeyRecord] = []
    unreadable: list[str] = []
    more, scanned = True, 0
    while more and len(chosen) < limit and scanned < MOST_SCANNED:
        asked = SCANNED if is_sparse else limit - len(chosen) + 1
        rows = work.store.key_page(after, asked, principal_id=owner_id, name=name)
        more = len(rows) == asked
        for number, record in rows:
            if len(chosen) == limit:
                more = True
                break
            after, scanned = number, scanned + 1
            if not isinstance(record, KeyRecord):
                unreadable.append(str(record))
                continue
            of = record.principal_id or record.id
            owner = owners.get(of) or owners.setdefault(of, work.owner(record))
            has_state = wanted.state in (None, _state(work, record, owner))
            if has_state and _ends_within(work, record, wanted.expiring_within):
                chosen.append(record)
    uses = work.store.uses([each.id for each in chosen])
    replaced_by = work.store.replacements(chosen)
    views = [
        _key(work, each, owners[each.principal_id or each.id], uses, replaced_by.get(each.id, ""))
        for each in chosen
    ]
    return KeyPage(views, tuple(unreadable), str(after) if more else None)


def principal_page(work: Work, after: str, limit: int) -> PrincipalPage:
    """Some principals, oldest first; those last that are made up for keys of older gates.

    ``after``: ``p`` and the number of a principal, or ``k`` and that of such a key.
    """
    found: list[PrincipalView] = []
    number = int(after[1:])
    if after.startswith("p"):
        rows = work.store.principal_page(number, limit + 1)
        found = [
            one_principal(work, each)
            for _, each in rows[:limit]
            if isinstance(each, PrincipalRecord)
        ]
        if len(rows) > limit:
            return PrincipalPage(found, f"p{rows[limit - 1][0]}")
        number = 0
    left = limit - len(found)
    keys = work.store.key_page(number, left + 1, principal_id="")
    for _, key in keys[:left]:
        if isinstance(key, KeyRecord) and work.store.principal(own_account(key).id) is None:
            found.append(principal(own_account(key), int(work.is_active(key))))
    if len(keys) <= left:
        return PrincipalPage(found, None)
    return PrincipalPage(found, f"k{keys[left - 1][0] if left else number}")


def _keys_of(work: Work, owner: PrincipalRecord) -> list[KeyRecord]:
    """The keys of a principal: also the one that is it, if a gate of an older schema made that."""
    keys = list(work.store.keys(owner.id))
    own = work.store.key("k_" + owner.id.removeprefix("p_"))
    if isinstance(own, KeyRecord) and not own.principal_id:
        keys.insert(0, own)
    return keys


def _ends_within(work: Work, record: KeyRecord, seconds: float | None) -> bool:
    if seconds is None:
        return True
    return (
        work.is_active(record)
        and record.expires_at is not None
        and record.expires_at - work.now <= seconds
    )


def _state(work: Work, record: KeyRecord, owner: PrincipalRecord) -> str:
    state = record.state(work.now)
    disabled = state is KeyState.ACTIVE and owner.disabled_at is not None
    return "disabled" if disabled else state.value


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
    return KeyView(
        id=record.id,
        name=record.name,
        principal_id=owner.id,
        principal=owner.name,
        roles=record.roles,
        state=_state(work, record, owner),
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
