"""Directives and gates in PostgreSQL: held to the suite of all stores, and upgraded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from headgate.errors import HeadgateError
from headgate.stores.maintenance import OlderSchemaError
from headgate.stores.sql.inspection import require_writable
from headgate.stores.sql.maintenance import SqlMaintenanceStore
from headgate.stores.sql.migrating import migrate
from headgate.stores.sql.postgresql.database import PostgresDatabase
from headgate.stores.sql.postgresql.url import UrlFile
from headgate.stores.sql.schema import POSTGRESQL_SCHEMA
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import everything, key, put
from tests.support.maintenance_suite import (
    GATE,
    PARKED,
    MaintenanceStoreSuite,
    OpenMaintenance,
    RegistrationSuite,
)
from tests.support.postgres import PostgresServer, postgres_server

GATES_GRANTS = (
    "GRANT USAGE ON SCHEMA headgate TO gate",
    "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA headgate TO gate",
    "GRANT DELETE ON headgate.changes, headgate.gates TO gate",
    "GRANT DELETE ON headgate.creates, headgate.create_keepers TO gate",
)
"""What docs/how-to/share-keys-between-gates.md gives to gates that may not change tables."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        server.execute("CREATE ROLE gate LOGIN PASSWORD 'gate'")
        server.create_database("maintenance")
        yield server


@pytest.fixture
def url_file(server: PostgresServer, tmp_path: Path) -> Path:
    """Of a database with the present schema, and nothing in it."""
    server.execute("DROP SCHEMA IF EXISTS headgate CASCADE", "maintenance")
    file = tmp_path / "url"
    file.write_text(server.url("maintenance"))
    with contextlib.closing(database(file)) as made:
        made.upgrade()
    return file


def database(file: Path) -> PostgresDatabase:
    return PostgresDatabase(UrlFile(file))


def opened(file: Path) -> SqlMaintenanceStore:
    return SqlMaintenanceStore(database(file))


class TestPostgresql(MaintenanceStoreSuite, RegistrationSuite):
    """Of several gates."""

    @pytest.fixture
    def open_store(self, url_file: Path) -> Iterator[OpenMaintenance]:
        with contextlib.ExitStack() as stack:

            def open_() -> SqlMaintenanceStore:
                store = opened(url_file)
                stack.callback(store.close)
                return store

            yield open_

    def test_nothing_here_is_a_change_of_keys(self, url_file: Path) -> None:
        with SqlIdentityStore(database(url_file)) as keys:
            before = everything(keys).position
            with contextlib.closing(opened(url_file)) as store:
                store.put(PARKED, 0)
                store.report(GATE)
                store.leave(GATE.id)
            assert keys.changes(before) is None

    def test_a_look_is_one_statement_and_a_report_is_one_change(self, url_file: Path) -> None:
        store = opened(url_file)
        store.put(PARKED, 0)
        store.report(GATE)
        seen: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            store.directives()
            looks = len(seen)
            store.report(GATE)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
            store.close()
        assert looks == 1
        assert len([each for each in seen[looks:] if "set_config" not in each]) == 1

    def test_a_gate_that_may_not_change_tables_has_the_permissions_that_it_needs(
        self, server: PostgresServer, url_file: Path, tmp_path: Path
    ) -> None:
        for statement in GATES_GRANTS:
            server.execute(statement, "maintenance")
        file = tmp_path / "gate-url"
        file.write_text(server.url("maintenance", user="gate", password="gate"))
        with contextlib.closing(opened(file)) as store:
            with contextlib.closing(database(file)) as checked:
                require_writable(checked, creates=True)
            assert store.directives() == {}
            store.put(PARKED, 0)
            store.report(GATE)
            assert [each.report for each in store.gates()] == [GATE]
            assert store.leave(GATE.id)
            server.execute("REVOKE DELETE ON headgate.gates FROM gate", "maintenance")
            with (
                contextlib.closing(database(file)) as checked,
                pytest.raises(HeadgateError, match="does not permit this"),
            ):
                require_writable(checked, creates=True)

    def test_a_store_that_was_put_back_without_the_tables_is_named(
        self, server: PostgresServer, url_file: Path
    ) -> None:
        with contextlib.closing(opened(url_file)) as store:
            store.put(PARKED, 0)
            server.execute("DROP TABLE headgate.directives", "maintenance")
            with pytest.raises(HeadgateError, match="the key store"):
                store.directives()


def test_schema_4_is_upgraded_while_a_gate_works_on_it(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.execute("DROP SCHEMA IF EXISTS headgate CASCADE", "maintenance")
    file = tmp_path / "url"
    file.write_text(server.url("maintenance"))
    with contextlib.closing(database(file)) as older:
        with older.writing() as connection:
            connection.execute(text(f"CREATE SCHEMA {POSTGRESQL_SCHEMA}"))
            migrate(connection, POSTGRESQL_SCHEMA, target="4")
        older.schema().require_fit("here")
        assert (older.schema().schema, older.schema().is_current) == (4, False)
        with SqlIdentityStore(database(file)) as keys, contextlib.closing(opened(file)) as store:
            put(keys, key(1))
            seen = everything(keys)
            with pytest.raises(OlderSchemaError, match="'headgate db upgrade'"):
                store.directives()
            with pytest.raises(OlderSchemaError):
                store.report(GATE)
            assert older.upgrade().schema == 4
            assert store.directives() == {}  # without opening it anew
            assert keys.changes(seen.position) is None
            assert older.schema().serves_from == 4
