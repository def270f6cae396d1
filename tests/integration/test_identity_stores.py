"""The identity store in PostgreSQL: held to the suite of all, and what no other has."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from headgate.cli import main
from headgate.config import Config
from headgate.config.auth import Auth
from headgate.errors import HeadgateError
from headgate.stores import open_identity_store
from headgate.stores.identity import Position, StoreUnreachableError
from headgate.stores.records import KeyUse
from headgate.stores.sql.postgresql import database as postgresql
from headgate.stores.sql.postgresql.database import PostgresDatabase
from headgate.stores.sql.postgresql.url import UrlFile
from headgate.stores.sql.schema import KNOWN_SCHEMA
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.certificates import Authority
from tests.support.identity_suite import (
    NOW,
    IdentityStoreSuite,
    Open,
    changed,
    digest,
    everything,
    key,
    principal,
    put,
)
from tests.support.postgres import (
    Bouncer,
    PostgresServer,
    postgres_server,
    running_pgbouncer,
    standby_of,
)

_NUMBERS = itertools.count()
CANARY = "canary-p@ss/wörd"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def server(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """With a certificate for ``localhost``, and a user who has a password."""
    certificate = authority.issue("server", "localhost")
    folder = tmp_path_factory.mktemp("postgres")
    with postgres_server(folder, certificate) as server:
        server.execute(f"CREATE ROLE gate LOGIN PASSWORD '{CANARY}'")
        yield server


@pytest.fixture(scope="module")
def database(server: PostgresServer) -> str:
    return server.create_database("keys")


@pytest.fixture
def name(server: PostgresServer, database: str, tmp_path: Path) -> str:
    """A database with the present schema, and nothing in it."""
    server.execute("DROP SCHEMA IF EXISTS headgate CASCADE", database)
    file = tmp_path / "owner"
    file.write_text(server.url(database))
    with contextlib.closing(PostgresDatabase(UrlFile(file))) as made:
        assert made.upgrade().schema == 0
        assert made.upgrade().schema == 6
    return database


@pytest.fixture
def url_file(server: PostgresServer, name: str, tmp_path: Path) -> Path:
    file = tmp_path / "url"
    file.write_text(server.url(name) + "\n")
    return file


@pytest.fixture
def store(url_file: Path) -> Iterator[SqlIdentityStore]:
    with opened(url_file) as store:
        yield store


def opened(file: Path) -> SqlIdentityStore:
    return SqlIdentityStore(PostgresDatabase(UrlFile(file)))


def refused(action: Callable[[], object]) -> str:
    """The one line that an action fails with; never a password."""
    with pytest.raises(HeadgateError) as caught:
        action()
    message = str(caught.value)
    assert message.isprintable()
    assert "canary" not in message
    assert "wörd" not in message
    trace = "".join(traceback.format_exception(caught.value))
    assert "canary" not in trace
    assert "wörd" not in trace
    return message


class TestPostgresql(IdentityStoreSuite):
    """Of several gates."""

    is_made_when_opened = False

    @pytest.fixture
    def open_store(self, url_file: Path) -> Open:
        return lambda: opened(url_file)


@pytest.fixture(scope="module")
def bouncer(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bouncer]:
    with running_pgbouncer(server, tmp_path_factory.mktemp("pgbouncer")) as bouncer:
        yield bouncer


class TestThroughPgBouncer(IdentityStoreSuite):
    """In transaction mode, where each transaction may get another session."""

    is_made_when_opened = False

    @pytest.fixture
    def open_store(self, bouncer: Bouncer, name: str, tmp_path: Path) -> Open:
        file = tmp_path / "url"
        file.write_text(bouncer.url(name))
        return lambda: opened(file)


def test_a_look_is_one_statement_when_nothing_has_changed(
    store: SqlIdentityStore, server: PostgresServer, name: str
) -> None:
    put(store, key(1))
    position = everything(store).position
    counted = f"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{name}'"  # noqa: S608
    server.execute("SELECT pg_stat_force_next_flush()", name)
    before = int(server.execute(counted))
    for _ in range(50):
        assert store.changes(position) is None
    # Each is one transaction, without a BEGIN; the server counts some of its own.
    store.close()
    deadline = time.monotonic() + 20
    while int(server.execute(counted)) - before < 50 and time.monotonic() < deadline:
        server.execute("SELECT 1", name)
    assert 50 <= int(server.execute(counted)) - before < 75


def test_edits_by_hand_are_noticed(
    store: SqlIdentityStore, server: PostgresServer, name: str
) -> None:
    """Also of rows that a gate has just written, and between two of its changes."""
    put(store, principal(1), key(1, roles=("viewer",)), key(2))
    for statement, keys in (
        ("UPDATE headgate.keys SET revoked_at = 5 WHERE id = 'k_00000001'", 2),
        ("UPDATE headgate.keys SET roles = 'writer' WHERE id = 'k_00000001'", 2),
        ("UPDATE headgate.principals SET disabled_at = 5", 2),
        ("DELETE FROM headgate.keys WHERE id = 'k_00000002'", 1),
        ("TRUNCATE headgate.keys", 0),
    ):
        seen = everything(store)
        server.execute(statement, name)
        put(store, principal(2))
        changes = store.changes(seen.position)
        assert changes is not None
        assert changes.complete, statement
        assert len(changes.keys) == keys
        if "writer" in statement:
            assert changes.keys[0].roles == ("writer",)


def test_a_row_that_breaks_a_rule_harms_no_other(
    store: SqlIdentityStore, server: PostgresServer, name: str
) -> None:
    put(store, key(1), key(2), key(3), principal(1))
    server.execute(
        "UPDATE headgate.keys SET name = E'a\\x1b[31m' WHERE id = 'k_00000001';"
        "UPDATE headgate.keys SET narrowing = 'all' WHERE id = 'k_00000002';"
        "UPDATE headgate.principals SET name = E'\\t'",
        name,
    )
    changes = everything(store)
    assert list(changes.keys) == [key(3)]
    assert list(changes.principals) == []
    assert [each.why for each in changes.unreadable] == [
        "name has characters that cannot be shown",
        "name has characters that cannot be shown",
        "narrowing is not a JSON array of grants",
    ]
    assert all(str(each).isprintable() for each in changes.unreadable)
    put(store, key(2))  # which mends it
    assert len(changed(store, changes.position).unreadable) == 2


CHANGES_EACH = {"postgresql": 200, "sqlite": 60}  # each of a file waits for the disk


def _change(kind: str, file: str, first: int) -> None:
    store = _opened_by(kind, file)
    with store:
        for number in range(first, first + CHANGES_EACH[kind]):
            put(store, key(number))


def _opened_by(kind: str, file: str) -> SqlIdentityStore:
    if kind == "sqlite":
        return SqlIdentityStore(SqliteDatabase(Path(file), create=False))
    return opened(Path(file))


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_of_two_processes_each_change_has_a_number_and_followers_see_all(
    kind: str, url_file: Path, tmp_path: Path
) -> None:
    file = url_file
    if kind == "sqlite":
        file = tmp_path / "keys.sqlite"
        SqliteDatabase(file).close()
    context, pause = multiprocessing.get_context("spawn"), threading.Event()
    writers = [
        context.Process(target=_change, args=(kind, str(file), first)) for first in (0, 1_000)
    ]
    with _opened_by(kind, str(file)) as follower:
        seen = everything(follower).position
        known, numbers = set(), [seen.sequence]
        for writer in writers:
            writer.start()
        while True:
            running = any(writer.is_alive() for writer in writers)
            if (changes := follower.changes(seen)) is not None:
                assert not changes.complete
                known |= {each.id for each in changes.keys}
                seen = changes.position
                numbers.append(seen.sequence)
            elif not running:
                break
            pause.wait(0.02)
        for writer in writers:
            writer.join()
            assert writer.exitcode == 0
        assert len(known) == 2 * CHANGES_EACH[kind]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 2 * CHANGES_EACH[kind]
        with follower.database.reading() as connection:
            per_number = connection.execute(
                text(f"SELECT count(DISTINCT changed), count(*) FROM {_table(kind)}")  # noqa: S608
            ).one()
        assert per_number == (2 * CHANGES_EACH[kind], 2 * CHANGES_EACH[kind])


def _table(kind: str) -> str:
    return "keys" if kind == "sqlite" else "headgate.keys"


@pytest.mark.parametrize("way", ["whole", "data"])
def test_a_backup_put_back_under_followers_is_noticed_whatever_its_numbers(
    store: SqlIdentityStore, server: PostgresServer, name: str, way: str
) -> None:
    """``whole``: the tables are dropped and made again; ``data``: emptied and filled again."""
    put(store, key(1))
    backup = server.dump(name)
    tables = ("principals", "keys", "changes", "store_state")
    for table in tables:
        server.execute(f"DROP TABLE IF EXISTS public.{table}", name)
        server.execute(f"CREATE TABLE public.{table} AS TABLE headgate.{table}", name)
    put(store, key(2))
    seen = everything(store).position
    if way == "whole":
        server.restore(name, backup)
    else:
        server.execute(
            "BEGIN; TRUNCATE headgate.principals, headgate.keys, headgate.changes, "
            "headgate.store_state;"
            + "".join(f"INSERT INTO headgate.{each} TABLE public.{each};" for each in tables)
            + "COMMIT",
            name,
        )
    put(store, key(3))  # reaches the number that the follower has
    changes = store.changes(seen)
    assert changes is not None
    assert changes.complete
    assert changes.position.sequence <= seen.sequence
    assert list(changes.keys) == [key(1), key(3)]


def test_a_server_that_stops_is_unreachable_until_it_is_back(tmp_path: Path) -> None:
    """The next use connects anew, and no use fails for a connection that was kept.

    Its standby is read meanwhile, and not written.
    """
    with postgres_server(tmp_path) as server:
        file = tmp_path / "url"
        file.write_text(server.url("postgres"))
        database = PostgresDatabase(UrlFile(file))
        database.upgrade()
        with SqlIdentityStore(database) as store:
            put(store, key(1))
            position = everything(store).position
            with standby_of(server, tmp_path) as standby:
                other = tmp_path / "standby-url"
                other.write_text(standby.url("postgres"))
                with opened(other) as copy:
                    assert copy.changes(position) is None
                    assert "read-only (a standby" in refused(lambda: put(copy, key(2)))
            server.stop()
            for _ in range(2):
                with pytest.raises(StoreUnreachableError, match="its server"):
                    store.changes(position)
            with pytest.raises(StoreUnreachableError, match="its server is down"):
                store.record_uses([KeyUse(key(1).id, NOW, "192.0.2.1")])
            server.start()
            assert store.changes(position) is None
            server.stop()
            server.start()
            put(store, key(2))
            server.stop()
            server.start()
            assert list(changed(store, position).keys) == [key(2)]


def test_a_server_that_hangs_keeps_no_thread(
    server: PostgresServer,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However it is used, whether the connection is kept or new, and what is between is silent."""
    monkeypatch.setattr(postgresql, "POLL_SECONDS", 0.5)
    with FaultProxy("127.0.0.1", 0, ("127.0.0.1", server.port)) as proxy:
        file = tmp_path / "url"
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}?connect_timeout=2"
        file.write_text(url)
        with opened(file) as store:
            put(store, key(1))
            position = everything(store).position
            proxy.set(Fault.BLACKHOLE)
            began = time.monotonic()
            uses: list[Callable[[], object]] = [
                lambda: store.changes(position),
                lambda: put(store, key(2)),
                lambda: store.record_uses([KeyUse(key(1).id, NOW, "::1")]),
            ]
            for use in uses:
                with pytest.raises(StoreUnreachableError):
                    use()
            assert time.monotonic() - began < 15
            proxy.set(Fault.NONE)
            assert store.changes(position) is None


def test_the_url_is_read_again_when_it_changes(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    """A new password is used for the next connection; a bad URL is reported until it is mended."""
    server.execute("CREATE ROLE rotated LOGIN PASSWORD 'first' IN ROLE pg_read_all_data")
    file = tmp_path / "url"
    file.write_text(server.url(name, "rotated", "first"))
    with opened(file) as store:
        position = everything(store).position
        server.execute("ALTER ROLE rotated PASSWORD 'second'")
        assert store.changes(position) is None
        file.write_text(server.url(name, "rotated", "wrong, canary"))
        assert "refuses the password" in refused(lambda: store.changes(position))
        file.write_text("canary://")
        assert "does not begin with postgresql://" in refused(lambda: store.changes(position))
        file.unlink()
        assert "cannot be read: No such file" in refused(lambda: store.changes(position))
        file.write_text(server.url(name, "rotated", "second"))
        assert store.changes(position) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"password": f"not {CANARY}"}, "refuses the password"),
        ({"password": ""}, "wants a password"),
        ({"user": "nobody"}, "refuses the password"),
        ({"database": "nothing"}, "does not exist on that server"),
        ({"host": "nothing.invalid"}, "its host name has no address"),
        ({"host": "127.0.0.2"}, "nothing listens there, its server is down"),
        ({"host": "127.0.0.1", "sslmode": "verify-full"}, "has a certificate for another name"),
        ({"sslmode": "verify-full", "sslrootcert": "stranger"}, "authority that is not trusted"),
        ({"sslmode": "verify-full", "sslrootcert": "/nothing"}, "that sslrootcert names"),
        ({"sslmode": "verify-full"}, "does not permit this"),  # which it says when connected
        ({}, "does not permit this"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    server: PostgresServer,
    name: str,
    authority: Authority,
    tmp_path: Path,
    change: dict[str, str],
    expected: str,
) -> None:
    given = {
        "database": name,
        "user": "gate",
        "password": CANARY,
        "host": "localhost",
        "sslrootcert": str(authority.certificate),
    }
    if "stranger" in change.values():
        change["sslrootcert"] = str(Authority(tmp_path, "stranger").certificate)
    file = tmp_path / "url"
    file.write_text(server.url(**(given | change)))
    with contextlib.closing(PostgresDatabase(UrlFile(file))) as database:
        assert expected in refused(database.schema if change else database.upgrade)
        assert "canary" not in repr(database.target)


def test_a_database_that_is_read_only_by_default_is_read_and_not_written(
    url_file: Path, server: PostgresServer, name: str
) -> None:
    only = f"ALTER DATABASE {name} SET default_transaction_read_only"
    server.execute(f"{only} = on")
    with contextlib.ExitStack() as stack, opened(url_file) as store:
        stack.callback(server.execute, f"{only} = off", "postgres")
        position = everything(store).position
        assert store.changes(position) is None
        assert "read-only (a standby" in refused(lambda: put(store, key(1)))
        uses = [KeyUse(key(1).id, NOW, "::1")]
        assert "read-only (a standby" in refused(lambda: store.record_uses(uses))


def test_a_lock_that_does_not_end_is_not_waited_for(
    store: SqlIdentityStore, url_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = postgresql.Kind("READ COMMITTED", False, 30.0, 10.0, 0.2)
    monkeypatch.setattr(postgresql, "_WRITING", quick)
    with opened(url_file) as other, other.transaction():
        assert "locked by another change" in refused(lambda: put(store, key(1)))
    put(store, key(1))


def test_an_empty_database_names_the_command_that_fills_it(
    server: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = server.create_database(f"empty_{next(_NUMBERS)}")
    file, settings = tmp_path / "url", tmp_path / "headgate.toml"
    file.write_text(server.url(name))
    settings.write_text(f'[auth]\ndatabase_url_file = "{file}"\n')
    config = Config(auth=Auth(database_url_file=file))
    location = f"postgresql://127.0.0.1:{server.port}/{name}"
    none = f"{location} has no key store yet; make it with 'headgate db upgrade'"
    assert refused(lambda: open_identity_store(config)) == none
    assert main(["db", "check", "--config", str(settings)]) == 2
    assert none in capsys.readouterr().err
    assert main(["db", "upgrade", "--config", str(settings)]) == 0
    assert f"{location}: made, with schema 6" in capsys.readouterr().out
    assert main(["db", "check", "--json", "--config", str(settings)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["connection"] == "TLS, sslmode=prefer"
    assert (facts["database"], facts["keys"], facts["changes"]) == ("PostgreSQL", 0, 0)
    with open_identity_store(config) as store:
        assert store.location == location


def test_upgrades_that_run_concurrently_do_it_once(server: PostgresServer, tmp_path: Path) -> None:
    name = server.create_database(f"empty_{next(_NUMBERS)}")
    file = tmp_path / "url"
    file.write_text(server.url(name))

    def upgrade(_: int) -> int:
        with contextlib.closing(PostgresDatabase(UrlFile(file))) as database:
            return database.upgrade().schema

    with ThreadPoolExecutor(4) as executor:
        assert sorted(executor.map(upgrade, range(4))) == [0, *[KNOWN_SCHEMA] * 3]


GRANTS = """
GRANT USAGE ON SCHEMA headgate TO {user};
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA headgate TO {user};
GRANT DELETE ON headgate.changes, headgate.gates TO {user};
GRANT DELETE ON headgate.creates, headgate.create_keepers TO {user};
"""
"""What the documentation says that a gate's user needs."""


def test_a_gate_needs_few_permissions(server: PostgresServer, name: str, tmp_path: Path) -> None:
    for statement in GRANTS.format(user="gate").strip().splitlines():
        server.execute(statement, name)
    file, settings = tmp_path / "url", tmp_path / "headgate.toml"
    file.write_text(server.url(name, "gate", CANARY))
    settings.write_text(f'[auth]\ndatabase_url_file = "{file}"\n')
    assert main(["db", "check", "--config", str(settings)]) == 0
    with opened(file) as store:
        put(store, principal(1), key(1))
        store.record_uses([KeyUse(key(1).id, NOW, "::1")])
        assert len(everything(store).keys) == 1
    page = Path("docs/how-to/share-keys-between-gates.md").read_text(encoding="utf-8")
    for statement in GRANTS.format(user="headgate").strip().splitlines():
        assert statement in page


def test_the_numbers_of_many_changes_are_forgotten(
    store: SqlIdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that was away for so long reads everything."""
    monkeypatch.setattr("headgate.stores.sql.transaction.KEPT_CHANGES", 3)
    seen = everything(store).position
    for number in range(3):
        put(store, key(number))
    assert store.changes(seen) is not None
    changes = store.changes(Position(seen.sequence, seen.token))
    assert changes is not None
    assert changes.complete
    assert digest(1) in {each.digest for each in changes.keys}
