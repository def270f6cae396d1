"""Gates of two versions on one store: the one of schema 4 knows nothing of maintenance."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.stores.sql.migrating import migrate
from headgate.stores.sql.postgresql.database import PostgresDatabase
from headgate.stores.sql.postgresql.url import UrlFile
from headgate.stores.sql.schema import POSTGRESQL_SCHEMA
from tests.support.parked_gates import FOLLOWED_SECONDS, park, refused, unpark, upstream_of
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.two_gates import READ, SharedStore, gate_on, shared_store
from tests.support.waiting import seconds_until

RELEASE = "b79b380"
"""The last commit with schema 4."""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its sources."""
    folder = tmp_path_factory.mktemp("older")
    archive = ["git", "archive", RELEASE, "src/headgate"]
    done = subprocess.run(archive, check=False, capture_output=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"git has no commit {RELEASE} here")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"{}")) as running:
        yield running


def test_a_gate_of_the_version_before_works_on_beside_one_that_is_parked(
    older: Path, server: PostgresServer, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """It is not registered, so that a park cannot know of it: the page on parking says so."""
    url = server.url("beside")
    store = shared_store(server, tmp_path / "store", "beside", url)
    admin = store.told("keys", "create", "admin", "--role", "admin")
    with (
        gate_on(store, tmp_path / "new", upstream.url) as new,
        gate_on(store, tmp_path / "old", upstream.url, PYTHONPATH=str(older)) as old,
    ):
        seconds_until(lambda: bool(upstream_of(new, admin)["gates"]), FOLLOWED_SECONDS)
        done = park(store, new, admin, "--max", "2m")
        assert done.returncode == 0, done.stderr
        assert "parked at 1 gate until" in done.stdout
        assert old.ask("GET", READ, key=admin).status == 200
        # It follows keys as before: nothing of the park is a change of these.
        late = store.told("keys", "create", "late", "--role", "viewer")
        seconds_until(lambda: old.ask("GET", READ, key=late).status == 200, FOLLOWED_SECONDS)
        assert unpark(store, new, admin).returncode == 0
        assert new.ask("GET", READ, key=late).status == 200
        assert old.process.exit_code is None


def test_a_gate_on_a_store_that_is_not_upgraded_serves_and_says_what_is_missing(
    server: PostgresServer, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Once it is upgraded, the gate follows without a restart."""
    server.create_database("behind")
    store = SharedStore(tmp_path / "url", tmp_path / "data")
    store.point_to(server.url("behind"))
    server.execute(f"CREATE SCHEMA {POSTGRESQL_SCHEMA}", "behind")
    database = PostgresDatabase(UrlFile(store.url_file))
    with database.writing() as connection:
        migrate(connection, POSTGRESQL_SCHEMA, target="4")
    database.close()
    admin = store.told("keys", "create", "admin", "--role", "admin")
    with gate_on(store, tmp_path / "gate", upstream.url) as gate:
        assert gate.ask("GET", READ, key=admin).status == 200
        gate.event("maintenance_not_followed")
        message = refused(gate, admin, "/upstreams/default/park")
        assert "older schema 4" in message
        assert "headgate db upgrade" in message
        done = park(store, gate, admin)
        assert done.returncode == 2
        assert "headgate db upgrade" in done.stderr
        assert "upgraded from schema 4 to " in store.told("db", "upgrade")
        gate.event("maintenance_followed")
        done = park(store, gate, admin)
        assert done.returncode == 0, done.stderr
        assert unpark(store, gate, admin).returncode == 0
        listed = store.run("gates", "list", "--json", "--url", gate.url, HEADGATE_API_KEY=admin)
        assert len(json.loads(listed.stdout)["gates"]) == 1
