"""Databases of MLflow are saved and restored whole: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.deploy.mlflow.databases.opening import database_of
from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.records import Snapshot
from tests.support.postgres import PostgresServer, postgres_server

PASSWORD = "a secret % of :@/ many kinds"
TABLES = """
    create table alembic_version (version_num varchar(32) primary key);
    insert into alembic_version values ('old');
    create table experiments (experiment_id integer primary key, name text,
                              creation_time bigint, last_update_time bigint);
    create table runs (run_uuid varchar(32) primary key, experiment_id integer
        references experiments, start_time bigint, end_time bigint, deleted_time bigint);
    insert into experiments values (1, 'first', 1000, 1000);
    insert into runs values ('a', 1, 1000, 2000, null), ('b', 1, 5000, null, null);
"""
MIGRATED = """
    update alembic_version set version_num = 'new';
    create table jobs (id integer primary key, run_uuid varchar(32) references runs);
    insert into jobs values (1, 'a');
    alter table runs add column moved text;
    delete from runs where run_uuid = 'b';
"""

OPENS = """
import sqlite3, sys
c = sqlite3.connect(PATH)
c.execute('select 1 from runs')
print(1, flush=True); sys.stdin.read()
"""
WRITES = """
import sqlite3, sys
c = sqlite3.connect(PATH, isolation_level=None)
c.execute('pragma cache_spill = 1'); c.execute('pragma cache_size = 1')
c.execute('begin immediate')
c.execute("update experiments set name = 'torn'")
c.executemany('insert into runs values (?, 1, 1, 1, 1)', [(str(i) * 20,) for i in range(20000)])
print(1, flush=True); sys.stdin.read()
"""


def sqlite_at(path: Path) -> Path:
    """A database with two runs."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


def rows_of(path: Path, statement: str) -> list[tuple[object, ...]]:
    """The rows of one statement."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_sqlite_is_restored_as_it_was(tmp_path: Path) -> None:
    """Also with writes that are in the write-ahead log alone, and with what a migration made."""
    path = sqlite_at(tmp_path / "ml flow?.db")
    path.chmod(0o640)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("pragma journal_mode = wal")
    writer.execute("insert into runs values ('c', 1, 7000, null, null)")
    database = database_of(f"sqlite:///{tmp_path}/ml flow%3F.db")
    taken = database.snapshot(tmp_path / "copy", 1.0)
    assert (taken.head, taken.place) == ("old", str(tmp_path / "copy.sqlite"))
    assert Path(taken.place).stat().st_mode & 0o777 == 0o600
    writer.executescript(MIGRATED)
    assert database.head() == "new"
    writer.close()
    database.restore(taken)
    assert database.head() == "old"
    assert rows_of(path, "select run_uuid from runs order by 1") == [("a",), ("b",), ("c",)]
    assert rows_of(path, "select name from sqlite_master where name = 'jobs'") == []
    assert path.stat().st_mode & 0o777 == 0o640


def test_sqlite_says_who_has_it_open(tmp_path: Path) -> None:
    """Another process that has the file open is named."""
    path = sqlite_at(tmp_path / "mlflow.db")
    database = database_of(f"sqlite:///{path}")
    assert list(database.writers()) == []
    program = OPENS.replace("PATH", repr(str(path)))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert [each.pid for each in database.writers()] == [other.pid]
        other.kill()


def test_a_writer_of_sqlite_that_was_killed_leaves_no_half_a_snapshot(tmp_path: Path) -> None:
    """Its transaction is rolled back from the journal before anything is copied."""
    path = sqlite_at(tmp_path / "mlflow.db")
    program = WRITES.replace("PATH", repr(str(path)))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.send_signal(signal.SIGKILL)
    assert path.with_name("mlflow.db-journal").exists()
    taken = database_of(f"sqlite:///{path}").snapshot(tmp_path / "copy", 1.0)
    assert rows_of(Path(taken.place), "select name from experiments") == [("first",)]


def test_a_snapshot_that_was_changed_is_not_restored(tmp_path: Path) -> None:
    """Neither one that is damaged nor one that is gone; the database stays as it is."""
    path = sqlite_at(tmp_path / "mlflow.db")
    database = database_of(f"sqlite:///{path}")
    taken = database.snapshot(tmp_path / "copy", 1.0)
    copy = Path(taken.place)
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with pytest.raises(DatabaseError, match="is not the one that was made"):
        database.restore(taken)
    copy.unlink()
    with pytest.raises(DatabaseError, match="No such file"):
        database.restore(taken)
    assert database.head() == "old"


def test_a_damaged_database_is_not_saved(tmp_path: Path) -> None:
    """A snapshot that could not be used later is found out now."""
    path = sqlite_at(tmp_path / "mlflow.db")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(DatabaseError):
        database_of(f"sqlite:///{path}").snapshot(tmp_path / "copy", 1.0)
    assert not (tmp_path / "copy.sqlite").exists()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """What has no schema of MLflow is no database of MLflow's."""
    path = tmp_path / "other.db"
    rows_of(path, "create table t (x)")
    with pytest.raises(DatabaseError, match="is not a database of MLflow"):
        database_of(f"sqlite:///{path}").head()
    with pytest.raises(DatabaseError, match="unable to open"):
        database_of(f"sqlite:///{tmp_path}/none.db").head()


def test_losses_of_sqlite_are_counted(tmp_path: Path) -> None:
    """What was created or changed since, with the time of the newest."""
    path = sqlite_at(tmp_path / "mlflow.db")
    found = database_of(f"sqlite:///{path}").losses(1.5)
    assert [(each.what, each.count, each.newest) for each in found] == [("runs", 2, 5.0)]
    assert list(database_of(f"sqlite:///{path}").losses(6.0)) == []


# --- PostgreSQL ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server whose role ``ml`` has a password."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as running:
        running.execute(f"create role ml login password '{PASSWORD}'")
        yield running


@pytest.fixture
def name(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A database of the test's own, with MLflow's tables in the namespace ``public``."""
    made = server.create_database(f"db_{abs(hash(request.node.name))}", "ml")
    server.execute("set role ml;" + TABLES, made)
    return made


def url_of(server: PostgresServer, name: str) -> str:
    """As MLflow has it."""
    return server.url(name, "ml", PASSWORD).replace("postgresql:", "postgresql+psycopg2:")


def runs_in(server: PostgresServer, name: str) -> str:
    """The runs, and the schema."""
    runs = server.execute("select string_agg(run_uuid, ',' order by run_uuid) from runs", name)
    head = server.execute("select version_num from alembic_version", name)
    return f"{runs} {head}"


def saved(server: PostgresServer, name: str, folder: Path) -> Snapshot:
    """A snapshot of it."""
    return database_of(url_of(server, name)).snapshot(folder / "copy", 1.0)


def test_postgresql_is_restored_as_it_was(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    """With what a migration made beside it, and without touching other namespaces."""
    server.execute(
        "create schema headgate; create table headgate.keys (id text); "
        "create view v as select run_uuid from runs; grant select on runs to postgres; "
        "create extension if not exists citext schema public; set role ml; "
        "create function guard() returns trigger language plpgsql as "
        "$$ begin return new; end $$; create trigger guarding before update on experiments "
        "for each row execute function guard()",
        name,
    )
    database = database_of(url_of(server, name))
    (obstacle,) = database.obstacles()
    assert "the role 'ml' does not own v" in obstacle
    server.execute("alter view v owner to ml", name)
    assert list(database.obstacles()) == []
    taken = saved(server, name, tmp_path)
    assert "runs" in taken.tables
    assert Path(taken.place).stat().st_mode & 0o777 == 0o600
    server.execute("insert into headgate.keys values ('kept')", name)
    server.execute(
        "set role ml; drop view v; create function added(i int) returns int language sql as "
        "'select i';" + MIGRATED,
        name,
    )
    assert runs_in(server, name) == "a new"
    database.restore(taken)
    assert runs_in(server, name) == "a,b old"
    assert server.execute("select to_regclass('jobs') is null", name) == "t"
    assert server.execute("select count(*) from v", name) == "2"
    functions = "select count(*) from pg_proc where proname in ('guard', 'added')"
    assert server.execute(functions, name) == "1"
    assert server.execute("select 'A'::citext = 'a'::citext", name) == "t"
    assert server.execute("select id from headgate.keys", name) == "kept"
    assert server.execute("select has_table_privilege('postgres', 'runs', 'select')", name) == "t"
    database.restore(taken)
    assert runs_in(server, name) == "a,b old"


def test_a_restore_that_breaks_off_changes_nothing(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    """Here since somebody else holds a lock on a table: it waits, and then gives up whole."""
    taken = saved(server, name, tmp_path)
    server.execute("set role ml;" + MIGRATED, name)
    server.execute(
        "create schema other; "
        "create function other.refuse() returns event_trigger language plpgsql as "
        "$$ begin if tg_tag = 'CREATE INDEX' or tg_tag = 'ALTER TABLE' then "
        "raise exception 'no more'; end if; end $$; "
        "create event trigger refusing on ddl_command_end execute function other.refuse()",
        name,
    )
    with pytest.raises(DatabaseError, match=r"the database is as it was: .*no more"):
        database_of(url_of(server, name)).restore(taken)
    server.execute("drop event trigger refusing", name)
    assert runs_in(server, name) == "a new"
    assert server.execute("select count(*) from jobs", name) == "1"


def test_a_damaged_dump_changes_nothing(server: PostgresServer, name: str, tmp_path: Path) -> None:
    """Half of the statements may have been written: without the end none counts."""
    server.execute(
        "set role ml; insert into runs select md5(i::text), 1, 1, 1, 1 "
        "from generate_series(1, 50000) i",
        name,
    )
    taken = saved(server, name, tmp_path)
    dump = Path(taken.place)
    dump.write_bytes(dump.read_bytes()[: taken.size // 2])
    from headgate.deploy.mlflow.databases import files  # noqa: PLC0415 - for this test alone

    torn = Snapshot(taken.kind, taken.place, "old", 1.0, dump.stat().st_size, files.digest_of(dump))
    server.execute("set role ml;" + MIGRATED, name)
    before = runs_in(server, name)
    with pytest.raises(DatabaseError, match="the database is as it was"):
        database_of(url_of(server, name)).restore(torn)
    assert runs_in(server, name) == before


def test_tables_in_a_namespace_of_their_own(server: PostgresServer, tmp_path: Path) -> None:
    """Where the search path leads to it, whatever its name; the rest is not looked at."""
    made = server.create_database("with_namespace", "ml")
    server.execute(
        'set role ml; create schema "Ml Flow"; create table public.other (x int); '
        'set search_path to "Ml Flow";' + TABLES,
        made,
    )
    server.execute("""alter role ml in database with_namespace set search_path to 'Ml Flow'""")
    database = database_of(url_of(server, made))
    assert list(database.obstacles()) == []
    assert database.size() > 0
    taken = database.snapshot(tmp_path / "copy", 1.0)
    assert taken.tables == ("alembic_version", "experiments", "runs")
    server.execute("insert into other values (1)", made)
    server.execute('set role ml; set search_path to "Ml Flow";' + MIGRATED, made)
    database.restore(taken)
    assert database.head() == "old"
    assert server.execute("select count(*) from other", made) == "1"


def test_connections_of_others_are_named(server: PostgresServer, name: str) -> None:
    """With role, address and the name of the program; gates do not count."""
    import psycopg  # noqa: PLC0415 - for this test alone

    database = database_of(url_of(server, name))
    assert list(database.writers()) == []
    plain = server.url(name, "ml", PASSWORD)
    with (
        psycopg.connect(plain, application_name="headgate"),
        psycopg.connect(plain, application_name="training"),
    ):
        found = database.writers()
        assert len(found) == 1
        assert "role 'ml' from 127.0.0.1 (training" in found[0].words
        assert found[0].port > 0


def test_the_password_is_in_no_message(server: PostgresServer, name: str) -> None:
    """Neither in the name nor in an error, nor in the arguments of the programs."""
    database = database_of(url_of(server, name).replace("many", "few"))
    with pytest.raises(DatabaseError) as raised:
        database.head()
    assert "authentication failed" in str(raised.value)
    for text in (database.name(), str(raised.value)):
        assert "secret" not in text


def test_losses_of_postgresql_are_counted(server: PostgresServer, name: str) -> None:
    """As in SQLite."""
    found = database_of(url_of(server, name)).losses(1.5)
    assert [(each.what, each.count, each.newest) for each in found] == [("runs", 2, 5.0)]


def test_programs_of_another_version_are_refused(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    """They dump what the server does not understand later."""
    for program in ("pg_dump", "pg_restore", "psql"):
        file = tmp_path / program
        file.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n", encoding="utf-8")
        file.chmod(0o755)
    database = database_of(url_of(server, name), binaries=tmp_path)
    (found,) = database.obstacles()
    assert f"{tmp_path}/pg_dump is of version 9" in found
    with pytest.raises(DatabaseError, match="is of version 9"):
        database.snapshot(tmp_path / "copy", time.time())


def test_a_server_that_is_away_is_said_so(tmp_path: Path) -> None:
    """That may pass, so the same may be tried again."""
    with pytest.raises(DatabaseError, match="cannot be asked") as raised:
        database_of("postgresql://ml@127.0.0.1:1/ml").head()
    assert raised.value.retryable
