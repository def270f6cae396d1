"""The store of shared creates in PostgreSQL, held to the suite of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.stores.creates import Enter, Give
from headgate.stores.sql.creates import SqlCreateStore
from headgate.stores.sql.postgresql.database import PostgresDatabase
from headgate.stores.sql.postgresql.url import UrlFile
from tests.support.create_suite import A, CreateStoreSuite, OpenCreates, fresh, fresh_made
from tests.support.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        server.create_database("creates")
        yield server


@pytest.fixture(scope="module")
def url_file(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a database with the present schema."""
    file = tmp_path_factory.mktemp("url") / "url"
    file.write_text(server.url("creates"))
    with contextlib.closing(PostgresDatabase(UrlFile(file))) as made:
        made.upgrade()
    return file


class TestPostgresql(CreateStoreSuite):
    """Of several gates."""

    @pytest.fixture
    def open_store(self, url_file: Path) -> Iterator[OpenCreates]:
        with contextlib.ExitStack() as stack:

            def open_() -> SqlCreateStore:
                store = SqlCreateStore(PostgresDatabase(UrlFile(url_file)))
                stack.callback(store.close)
                return store

            yield open_

    def test_what_is_old_is_no_more(self, open_store: OpenCreates, server: PostgresServer) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest)])
        server.execute(
            f"UPDATE headgate.creates SET sent_at = sent_at - 901 WHERE id = {row}",  # noqa: S608
            "creates",
        )
        assert list(store.look(digest).rows) == []
        before = store.prune()
        store.apply(A, [Enter(row, digest)])
        assert store.prune() == before + 1

    def test_after_a_crash_of_the_server_nothing_is_known(
        self, open_store: OpenCreates, server: PostgresServer
    ) -> None:
        """The tables are not logged: what was given out is forgotten with what is in doubt."""
        store = open_store()
        (row, digest), (given, _) = fresh(), fresh()
        store.apply(A, [Enter(row, digest), Enter(given, digest, forced=True)])
        store.apply(A, [Give(given, digest, fresh_made())])
        server.stop()
        server.start()
        store = open_store()
        assert store.prune() == 0
        assert list(store.look(digest).rows) == []
        assert store.apply(A, [Give(row, digest, fresh_made())]) == [True]
