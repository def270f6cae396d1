"""The rules for principals.

None is ever deleted: its id stands in logs, and in the keys that it made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headgate.identity.errors import Conflict, Invalid
from headgate.identity.naming import BREAK_GLASS, checked_name, checked_text, new_principal_id
from headgate.identity.reach import ADMINISTER
from headgate.identity.requests import NewPrincipal, PrincipalChange
from headgate.identity.work import Work
from headgate.stores.records import PrincipalRecord


def create(work: Work, new: NewPrincipal) -> PrincipalRecord:
    """Make a principal that may do no more than the actor.

    Raises:
        IdentityError: see ``Administration.create_principal``.
    """
    work.reach.require(work.actor, ADMINISTER, "creating a principal")
    record = PrincipalRecord(
        id=new_principal_id(),
        name=free_name(work, new.name),
        kind=new.kind,
        roles=given_roles(work, new.roles, "a principal"),
        created_at=int(work.now),
        created_by=work.actor.id,
        description=checked_text(new.description, "description"),
    )
    work.reach.require_principal(work.actor, record)
    work.store.put_principal(record)
    return record


def change(work: Work, name_or_id: str, wanted: PrincipalChange) -> PrincipalRecord:
    """Change a principal that may do no more than the actor, before and after.

    Raises:
        IdentityError: see ``Administration.change_principal``.
    """
    work.reach.require(work.actor, ADMINISTER, "changing a principal")
    before = work.stored(work.principal(name_or_id))
    work.reach.require_principal(work.actor, before)
    after = before
    if wanted.name is not None and wanted.name != before.name:
        if before.name == BREAK_GLASS:
            raise Invalid(f"the principal '{BREAK_GLASS}' keeps its name", "name")
        after = replace(after, name=free_name(work, wanted.name, before.id))
    if wanted.roles is not None:
        after = replace(after, roles=given_roles(work, wanted.roles, "a principal"))
    if wanted.description is not None:
        after = replace(after, description=checked_text(wanted.description, "description"))
    work.reach.require_principal(work.actor, after)
    if after != before:
        work.store.put_principal(after)
    return after


def disable(work: Work, name_or_id: str) -> PrincipalRecord:
    """Let none of its keys be accepted.  It takes no rights, so ``administer:gate`` is enough.

    Raises:
        IdentityError: see ``Administration.disable_principal``.
    """
    work.reach.require(work.actor, ADMINISTER, "disabling a principal")
    record = work.stored(work.principal(name_or_id))
    if record.disabled_at is None:
        record = replace(record, disabled_at=int(work.now))
        work.store.put_principal(record)
    return record


def enable(work: Work, name_or_id: str) -> PrincipalRecord:
    """Let its keys be accepted again.

    Raises:
        IdentityError: see ``Administration.enable_principal``.
    """
    work.reach.require(work.actor, ADMINISTER, "enabling a principal")
    record = work.stored(work.principal(name_or_id))
    work.reach.require_principal(work.actor, record)
    if record.disabled_at is not None:
        record = replace(record, disabled_at=None)
        work.store.put_principal(record)
    return record


def given_roles(work: Work, roles: Sequence[str], whose: str) -> tuple[str, ...]:
    """Roles that exist, at least one.

    Raises:
        Invalid: there is none, or one does not exist.
    """
    if not roles:
        raise Invalid(f"{whose} needs at least one role", "roles")
    return work.reach.existing(roles)


def free_name(work: Work, name: str, principal_id: str = "") -> str:
    """The name, normalised, which no principal has but ``principal_id``.

    Raises:
        Invalid: it is not fit.
        Conflict: another has it.
    """
    name = checked_name(name, "a principal")
    if name == BREAK_GLASS:
        raise Invalid(
            f"the name '{BREAK_GLASS}' is for keys made in an emergency: "
            "headgate keys create --break-glass",
            "name",
        )
    holder = work.store.principal(name)
    if holder is not None and holder.id != principal_id:
        raise Conflict(
            f"the principal {holder.id} has the name '{holder.name}' already; choose another name"
        )
    return name
