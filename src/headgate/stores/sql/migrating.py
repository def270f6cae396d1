"""Brings a database to the schema of this Headgate, and says which one it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, select, text

from headgate.errors import HeadgateError
from headgate.stores.sql.schema import KNOWN_SCHEMA, NEEDED_SCHEMA, STATE

MIGRATIONS: Final = Path(__file__).with_name("migrations")
VERSION_TABLE: Final = "alembic_version"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Which schema a store has; 0: none.  ``serves_from``: see ``schema.py``; 0: not known."""

    schema: int
    serves_from: int

    @property
    def is_current(self) -> bool:
        """Whether an upgrade would change nothing."""
        return self.schema >= KNOWN_SCHEMA

    def require_fit(self, location: str) -> None:
        """Refuse a store that this Headgate cannot work on.

        Raises:
            HeadgateError: which of the two to upgrade.
        """
        if self.schema == 0:
            raise HeadgateError(
                f"{location} has no key store yet; make it with 'headgate db upgrade'"
            )
        require_served(self.serves_from, self.schema, location)
        if self.schema < NEEDED_SCHEMA:
            raise HeadgateError(
                f"the key store {location} has the older schema {self.schema}, and this Headgate "
                f"needs {NEEDED_SCHEMA}; upgrade it with 'headgate db upgrade'"
            )


def require_served(serves_from: int, schema: int | None, location: str) -> None:
    """Refuse a store that was changed so that a Headgate of this schema would misread it.

    Raises:
        HeadgateError: this Headgate is too old.
    """
    if serves_from > KNOWN_SCHEMA:
        has = "a newer schema" if schema is None else f"schema {schema}"
        raise HeadgateError(
            f"the key store {location} has {has}, which serves no Headgate below schema "
            f"{serves_from}, and this one knows {KNOWN_SCHEMA}; upgrade this Headgate"
        )


def schema_state(connection: Connection, namespace: str | None) -> SchemaState:
    """Which schema the database has, in tables that Alembic has made in ``namespace``."""
    if not inspect(connection).has_table(VERSION_TABLE, schema=namespace):
        return SchemaState(0, 0)
    table = VERSION_TABLE if namespace is None else f"{namespace}.{VERSION_TABLE}"
    version = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608
    schema = int(version) if version is not None else 0
    if schema < NEEDED_SCHEMA:
        return SchemaState(schema, 0)
    serves_from = connection.execute(select(STATE.c.serves_from)).scalar()
    if serves_from is None:
        raise HeadgateError(
            "the key store's table store_state is empty: it is being restored, or a restore was "
            "broken off; restore it whole"
        )
    return SchemaState(schema, serves_from)


def migrate(
    connection: Connection,
    namespace: str | None,
    *,
    folders: Iterable[Path] = (),
    target: str = "head",
) -> None:
    """Apply what is missing, in the transaction that is under way.

    Args:
        connection: in a transaction; nobody else may migrate meanwhile.
        namespace: of the table in which Alembic keeps the version.
        folders: with further revisions, for tests.
        target: the revision to go to.
    """
    # Only a store that is behind needs Alembic, which takes a while to import.
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    versions = [MIGRATIONS / "versions", *folders]
    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(each) for each in versions])

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs(target, revision)  # as Alembic's cookbook has it

    context = MigrationContext.configure(
        connection,
        opts={"fn": steps, "version_table": VERSION_TABLE, "version_table_schema": namespace},
    )
    context.run_migrations(connection=connection)


def adopt_version(connection: Connection, version: int) -> None:
    """Tell Alembic the schema of a SQLite file from before it kept the version."""
    connection.exec_driver_sql(
        f"CREATE TABLE {VERSION_TABLE} ( version_num VARCHAR(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num) )"  # as Alembic makes it
    )
    connection.exec_driver_sql(
        f"INSERT INTO {VERSION_TABLE} VALUES ('{version}')"  # noqa: S608 - a number
    )
