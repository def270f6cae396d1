"""What can be said of an identity store in a database without a gate."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import func, select

from headgate.stores.records import KeyRecord, KeyUse, PrincipalKind, PrincipalRecord
from headgate.stores.sql.creates import SqlCreateStore
from headgate.stores.sql.database import Database
from headgate.stores.sql.maintenance import SqlMaintenanceStore
from headgate.stores.sql.migrating import SchemaState
from headgate.stores.sql.schema import KEYS, NEEDED_SCHEMA, PRINCIPALS, STATE
from headgate.stores.sql.store import SqlIdentityStore
from headgate.stores.sql.undoing import undone


@dataclass(frozen=True, slots=True)
class StoreReport:
    """A store that can be reached.

    Attributes:
        location: where it is, without any secret.
        database: what it is kept in.
        connection: how that is connected to.
        schema: which it has.
        store_id: drawn at random when its tables were made; a copy has the same.
        changes: how many it has seen.
        principals: how many it has.
        keys: how many it has, revoked and expired ones too.
    """

    location: str
    database: str
    connection: str
    schema: SchemaState
    store_id: str = ""
    changes: int = 0
    principals: int = 0
    keys: int = 0


def report(database: Database) -> StoreReport:
    """Look at a store; of one with an older schema only that is known.

    Raises:
        HeadgateError: it cannot be reached or read.
    """
    found = StoreReport(
        database.location, database.kind, database.connection_kind, database.schema()
    )
    if found.schema.schema < NEEDED_SCHEMA:
        return found
    found.schema.require_fit(database.location)
    with database.reading() as connection:
        store_id, changes = connection.execute(select(STATE.c.store_id, STATE.c.sequence)).one()
        principals = connection.execute(select(func.count()).select_from(PRINCIPALS)).scalar_one()
        keys = connection.execute(select(func.count()).select_from(KEYS)).scalar_one()
    return StoreReport(
        found.location,
        found.database,
        found.connection,
        found.schema,
        store_id,
        changes,
        principals,
        keys,
    )


def require_writable(database: Database, *, creates: bool) -> None:
    """Do all that a gate and the commands do to a store, and undo it.

    ``creates``: gates share creates there, too.

    Raises:
        HeadgateError: something of it fails.
    """
    name = f"headgate db check {secrets.token_hex(8)}"
    principal = PrincipalRecord("p_" + secrets.token_hex(8), name, PrincipalKind.SERVICE, (), 0)
    key = KeyRecord(
        "k_" + secrets.token_hex(8),
        name,
        secrets.token_bytes(32),
        0,
        revoked_at=0,
        principal_id=principal.id,
    )
    store = SqlIdentityStore(database)
    with undone(store.transaction()) as transaction:
        transaction.put_principal(principal)
        transaction.put_key(key)
    store.record_uses([KeyUse(key.id, 0, "")])  # of a key that there is not: nothing is kept
    SqlMaintenanceStore(database).require_writable()
    if creates:
        SqlCreateStore(database).require_writable()
