"""Keys in the store of a folder, made and changed without asking what the rules say.

Tests give keys roles that only the configuration of their gate has.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headgate.auth.keys.form import RANDOM_BYTES, digest, mint
from headgate.config import Config
from headgate.identity.naming import new_key_id, new_principal_id
from headgate.policy import DEFAULT_ROLES
from headgate.stores import open_identity_store
from headgate.stores.identity import Transaction
from headgate.stores.records import ROLES_EDITION, KeyRecord, PrincipalKind, PrincipalRecord


def make_key(
    data: Path,
    name: str,
    roles: Sequence[str] = DEFAULT_ROLES,
    *,
    made_at: float | None = None,
    expires_at: float | None = None,
    narrowing: Sequence[str] = (),
    owner_roles: Sequence[str] | None = None,
) -> str:
    """Make a key in the store of the folder ``data``, which need not exist; return its secret.

    It belongs to a service account of its name, which has ``owner_roles``, or the same roles.
    """
    return make_keys(
        data,
        {name: roles},
        made_at=made_at,
        expires_at=expires_at,
        narrowing=narrowing,
        owner_roles=owner_roles,
    )[name]


def make_keys(
    data: Path,
    roles: Mapping[str, Sequence[str]],
    *,
    made_at: float | None = None,
    expires_at: float | None = None,
    narrowing: Sequence[str] = (),
    owner_roles: Sequence[str] | None = None,
) -> dict[str, str]:
    """Make several keys, by their names; return their secrets."""
    found = {name: mint(secrets.token_bytes(RANDOM_BYTES)) for name in roles}
    now = int(time.time() if made_at is None else made_at)
    with open_identity_store(Config(data=data)) as store, store.transaction() as transaction:
        for name, secret in found.items():
            owner = transaction.principal(name) or PrincipalRecord(
                new_principal_id(), name, PrincipalKind.SERVICE, (), now, "tests"
            )
            held = roles[name] if owner_roles is None else owner_roles
            transaction.put_principal(replace(owner, roles=tuple(held)))
            transaction.put_key(
                KeyRecord(
                    id=new_key_id(),
                    name=name,
                    digest=digest(secret),
                    created_at=now,
                    expires_at=None if expires_at is None else int(expires_at),
                    roles=tuple(roles[name]),
                    principal_id=owner.id,
                    narrowing=tuple(narrowing),
                    created_by="tests",
                )
            )
    return found


def revoke_key(data: Path, name: str) -> None:
    """Revoke the latest key of that name."""
    with _changing(data) as transaction:
        record = _key(transaction, name)
        transaction.put_key(replace(record, revoked_at=int(time.time())))


def set_roles(data: Path, name: str, roles: Sequence[str]) -> None:
    """Give the latest key of that name, and its principal, other roles."""
    with _changing(data) as transaction:
        record = _key(transaction, name)
        owner = transaction.principal(record.principal_id)
        if owner is not None:
            transaction.put_principal(replace(owner, roles=tuple(roles)))
        changed = replace(record, roles=tuple(roles), roles_edition=ROLES_EDITION)
        transaction.put_key(changed)


def stored_keys(data: Path) -> list[KeyRecord]:
    """The keys as they are stored, oldest first."""
    with open_identity_store(Config(data=data), create=False) as store, store.reading() as reading:
        return list(reading.keys())


@contextlib.contextmanager
def _changing(data: Path) -> Iterator[Transaction]:
    with (
        open_identity_store(Config(data=data), create=False) as store,
        store.transaction() as transaction,
    ):
        yield transaction


def _key(transaction: Transaction, name: str) -> KeyRecord:
    record = transaction.key(name)
    assert isinstance(record, KeyRecord)
    return record
