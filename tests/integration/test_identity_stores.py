"""The identity store in PostgreSQL: held to the suite of all, and what no other has."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.stores.sql.postgresql.database import PostgresDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import IdentityStoreSuite, Open
from tests.support.postgres import PostgresServer, postgres_server

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def url_file(server: PostgresServer, tmp_path: Path) -> Path:
    """The URL of an empty database."""
    file = tmp_path / "url"
    file.write_text(server.url(server.create_database(f"keys_{next(_NUMBERS)}")))
    return file


@pytest.fixture
def upgraded(url_file: Path) -> Path:
    """The URL of a database with the present schema."""
    database = PostgresDatabase(url_file)
    assert database.upgrade().schema == 0
    database.close()
    return url_file


class TestPostgresql(IdentityStoreSuite):
    """Of several gates."""

    is_made_when_opened = False

    @pytest.fixture
    def open_store(self, upgraded: Path) -> Open:
        return lambda: SqlIdentityStore(PostgresDatabase(upgraded))
