"""Each store of directives and gates that needs no server, held to the suite of all of them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from headgate.errors import HeadgateError
from headgate.stores.maintenance import OlderSchemaError, RegisteredGate
from headgate.stores.sql.maintenance import SqlMaintenanceStore
from headgate.stores.sql.schema import CREATE_KEEPERS, CREATES
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from headgate.testing.clock import ManualClock
from headgate.testing.maintenance_store import MemoryMaintenanceStore
from tests.support.identity_suite import everything
from tests.support.maintenance_suite import (
    GATE,
    PARKED,
    MaintenanceStoreSuite,
    OpenMaintenance,
    RegistrationSuite,
)


def _instead(name: str, value: str) -> str:
    """The park with another value, as SQL."""
    return f"""replace(park, '"{name}": ', '"{name}": {value}, "was": ')"""


class TestMemory(MaintenanceStoreSuite, RegistrationSuite):
    """The double that other packages' tests are given."""

    @pytest.fixture
    def open_store(self) -> OpenMaintenance:
        store = MemoryMaintenanceStore()
        return lambda: store

    def test_it_fails_on_request_and_has_a_clock(self) -> None:
        clock = ManualClock()
        store = MemoryMaintenanceStore(clock)
        store.report(GATE)
        clock.advance(61)
        assert list(store.gates()) == [RegisteredGate(GATE, 61)]
        store.failure = HeadgateError("down")
        with pytest.raises(HeadgateError, match="down"):
            store.directives()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.sqlite"
    SqliteDatabase(path).close()
    return path


def execute(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def opened(path: Path) -> SqlMaintenanceStore:
    return SqlMaintenanceStore(SqliteDatabase(path, create=False))


class TestSqlite(MaintenanceStoreSuite, RegistrationSuite):
    """The embedded default."""

    @pytest.fixture
    def open_store(self, path: Path) -> OpenMaintenance:
        return lambda: opened(path)

    def test_nothing_here_is_a_change_of_keys(self, path: Path) -> None:
        keys = SqlIdentityStore(SqliteDatabase(path))
        before = everything(keys).position
        store = opened(path)
        store.put(PARKED, 0)
        store.report(GATE)
        store.leave(GATE.id)
        assert keys.changes(before) is None
        assert everything(keys).position == before

    def test_a_look_is_one_statement(self, path: Path) -> None:
        store = opened(path)
        store.put(PARKED, 0)
        seen: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            for _ in range(3):
                store.directives()
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        # After a change the file is recognised once more.
        assert seen.index(seen[-1]) == len(seen) - 3, seen
        assert seen[-1].startswith("SELECT")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ("park = 'x'", "it is no JSON"),
            ("park = '[]'", "it is no JSON object"),
            ("park = '{}'", "id is missing"),
            ("park = json_set(park, '$.ends_at', 'soon')", "ends_at is missing, or is no number"),
            ("park = json_set(park, '$.ends_at', 1e300)", "ends_at is no time that can be shown"),
            ("park = json_set(park, '$.started_at', -1)", "started_at is no time that can be"),
            (f"park = {_instead('ends_at', 'NaN')}", "ends_at is no time that can be shown"),
            (f"park = {_instead('ends_at', '1' + 400 * '0')}", "ends_at is no time that can be"),
            (f"park = {500_000 * '['!r}", "it is no JSON"),
            ("park = json_set(park, '$.lease', 1)", "lease is missing, or is not as"),
            (r"park = json_set(park, '$.by', char(10))", "by has characters that cannot be shown"),
            ("read_only = x'00'", "it is no JSON object"),
            ("upstream = 'a', revision = x'00'", "its numbers are not readable"),
        ],
    )
    def test_a_row_changed_by_hand_is_no_directive(
        self, path: Path, change: str, problem: str
    ) -> None:
        """Gates go on with what they have; a row that is deleted asks nothing any longer."""
        store = opened(path)
        store.put(PARKED, 0)
        by_hand = f"UPDATE directives SET {change}"  # noqa: S608 - of this table of cases
        execute(path, "PRAGMA ignore_check_constraints = ON", by_hand)
        with pytest.raises(HeadgateError, match=f"cannot be read: .*{problem}.*delete the row"):
            store.directives()
        execute(path, "DELETE FROM directives")
        assert store.directives() == {}

    def test_fields_of_a_later_version_are_passed_over(self, path: Path) -> None:
        store = opened(path)
        store.put(PARKED, 0)
        execute(path, "UPDATE directives SET park = json_set(park, '$.colour', 'red')")
        assert store.directives() == {"default": PARKED}

    @pytest.mark.parametrize(
        "upstreams",
        [
            "[1]",
            "null",
            '{"default": {"a": 1}}',
            '{"default": [1, "serving", Infinity, 0, 0]}',
            '{"default": [1, "serving", NaN, 0, 0]}',
            500_000 * "[",
        ],
    )
    def test_of_a_gate_that_cannot_be_read_it_is_known_that_it_is_there(
        self, path: Path, upstreams: str
    ) -> None:
        store = opened(path)
        store.report(GATE)
        by_hand = f"UPDATE gates SET upstreams = {upstreams!r}, heard_at = heard_at - 100"  # noqa: S608
        execute(path, by_hand)
        (found,) = store.gates()
        assert found.report.id == GATE.id
        assert dict(found.report.upstreams) == {}
        assert 100 <= found.silent < 160

    def test_an_older_schema_is_named(self, path: Path) -> None:
        execute(
            path,
            "DROP TABLE directives",
            "DROP TABLE gates",
            *(f"DROP TABLE {each.name}" for each in (CREATES, CREATE_KEEPERS)),  # of schema 6
            "UPDATE alembic_version SET version_num = '4'",
        )
        store = SqlMaintenanceStore(SqliteDatabase(path, create=False, upgrade=False))
        with pytest.raises(OlderSchemaError, match="older schema 4, which keeps nothing of maint"):
            store.directives()
        with contextlib.closing(opened(path)) as upgraded:  # opening it upgrades it
            assert upgraded.directives() == {}
