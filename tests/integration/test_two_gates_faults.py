"""Two gates on one PostgreSQL that stops, hangs, comes back older, or wants another password."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import bearer
from tests.support.patience import patience
from tests.support.postgres import standby_of
from tests.support.steady_load import Sender, steady_load
from tests.support.two_gates import (
    READ,
    SharedStore,
    TwoGates,
    call,
    gate_on,
    held,
    keys_page,
    running_two_gates,
    stopped,
)
from tests.support.waiting import seconds_until

PROMISE = 2.0
OUTAGE_SECONDS = 4.0
LONG_OUTAGE_SECONDS = 60.0
SECONDS = 30.0


@pytest.fixture(scope="module")
def _two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoGates]:
    with running_two_gates(tmp_path_factory.mktemp("two-gates")) as running:
        yield running


@pytest.fixture
def two(_two: TwoGates) -> TwoGates:
    """Both gates, when they follow the store again whatever was done to it before."""
    recovered(_two)
    return _two


def test_a_database_that_is_down_costs_no_request(two: TwoGates) -> None:
    down_for(two, OUTAGE_SECONDS, "a-moment")


@pytest.mark.long
def test_a_database_that_is_down_for_a_minute_costs_no_request(two: TwoGates) -> None:
    down_for(two, LONG_OUTAGE_SECONDS, "a-minute")


def down_for(two: TwoGates, seconds: float, name: str) -> None:
    """Stop the database under load; what happened meanwhile arrives later."""
    first, second = two.gates
    key = two.store.make_key(name)
    two.wait(key, 200)
    with steady_load(senders(two, key)) as load:
        load.wait_for(50)
        with stopped(two.server):
            began = time.monotonic()
            failing(two)
            refused = call(first, two.admin, "POST", "/keys", {"name": "lost", "roles": []})
            command = two.store.run("keys", "create", "lost")
            seconds_until(lambda: time.monotonic() > began + seconds, seconds + SECONDS)
            assert keys_page(second, two.admin)["age_seconds"] >= seconds - PROMISE
            used_until = time.time()
        load.wait_for(50)
        recovered(two)
    assert load.failures == []
    assert refused.status == 503, refused
    assert (command.returncode, command.stdout) == (2, "")
    (line,) = command.stderr.splitlines()
    assert "its server is down" in line
    seconds_until(lambda: last_used(two, name) >= int(used_until), SECONDS)


def test_a_database_that_hangs_costs_no_request(two: TwoGates) -> None:
    """It keeps its connections and says nothing: neither gate waits for it to serve."""
    key = two.store.make_key("while-it-hangs")
    two.wait(key, 200)
    with steady_load(senders(two, key)) as load:
        load.wait_for(50)
        with held(two.server):
            failing(two)
            load.wait_for(50)
        recovered(two)
    assert load.failures == []
    assert max(load.times) < patience(SECONDS / 10)
    two.store.revoke_key("while-it-hangs")
    two.wait(key, 401, "key_revoked", limit=2 * PROMISE)


def test_a_gate_that_starts_without_its_database_says_so_and_serves_when_it_comes(
    two: TwoGates, tmp_path: Path
) -> None:
    with stopped(two.server), gate_on(two.store, tmp_path, two.upstream.url) as late:
        early = late.ask("GET", READ, key=two.admin)
        assert late.ask("GET", "/-/livez").status == 200
        event = late.event("key_store_awaited")
        two.server.start()
        took = seconds_until(lambda: late.ask("GET", READ, key=two.admin).status == 200, SECONDS)
    assert (early.status, early.get("X-Headgate-Reason")) == (503, "keys_stale"), early
    assert "its server is down" in event["message"], event
    assert took < patience(3 * PROMISE)


def test_keys_that_are_too_old_are_refused_until_the_database_is_back(
    two: TwoGates, tmp_path: Path
) -> None:
    with gate_on(two.store, tmp_path, two.upstream.url, HEADGATE_AUTH__MAX_STALE="3") as strict:
        assert strict.ask("GET", READ, key=two.admin).status == 200
        with strict.connect() as kept, stopped(two.server):
            seconds_until(lambda: strict.ask("GET", READ, key=two.admin).status == 503, SECONDS)
            refused = strict.ask("GET", READ, key=two.admin)
            kept.send(f"GET {READ} HTTP/1.1\r\nHost: a\r\n{bearer(two.admin)}\r\n\r\n".encode())
            on_kept = kept.response()
        seconds_until(lambda: strict.ask("GET", READ, key=two.admin).status == 200, SECONDS)
    assert refused.get("X-Headgate-Reason") == on_kept.get("X-Headgate-Reason") == "keys_stale"
    assert refused.get("Retry-After") is not None
    assert [each[0] for each in two.statuses(two.admin)] == [200, 200]


def test_a_store_is_put_back_from_a_backup_while_gates_run(two: TwoGates) -> None:
    """What was made after the backup is gone, whatever number its change had."""
    first, second = two.gates
    early = two.store.make_key("in-the-backup")
    backup = two.server.dump("gates")
    late = two.store.make_key("after-the-backup")
    two.store.revoke_key("in-the-backup")
    two.wait(late, 200)
    two.wait(early, 401, "key_revoked")
    with steady_load(senders(two, two.admin)) as load:
        two.server.restore("gates", backup)
        # As many changes as the store had seen: the numbers are the same again.
        other = two.store.make_key("other")
        two.store.revoke_key("in-the-backup")
        two.wait(late, 401, "key_unknown", limit=2 * PROMISE)
        two.wait(other, 200, limit=2 * PROMISE)
        two.wait(early, 401, "key_revoked", limit=2 * PROMISE)
        load.wait_for(20)
    assert load.failures == []
    for gate in (first, second):
        assert "after-the-backup" in str(gate.event("keys_gone"))


def test_a_renewed_password_is_taken_from_the_file(two: TwoGates, tmp_path: Path) -> None:
    server = two.server
    server.execute("CREATE ROLE gate LOGIN PASSWORD 'first'")
    for grant in (
        "GRANT USAGE ON SCHEMA headgate TO gate",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headgate TO gate",
    ):
        server.execute(grant, "gates")
    store = SharedStore(tmp_path / "url", tmp_path / "data")
    store.point_to(server.url("gates", "gate", "first"))
    with gate_on(store, tmp_path / "gate", two.upstream.url) as gate:
        assert gate.ask("GET", READ, key=two.admin).status == 200
        server.execute("ALTER ROLE gate PASSWORD 'se/c@nd'")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='gate'"
        )
        gate.event("key_store_unreadable")
        assert gate.ask("GET", READ, key=two.admin).status == 200
        assert "password" in keys_page(gate, two.admin)["failing"]
        store.point_to(server.url("gates", "gate", "se/c@nd"))
        gate.event("key_store_readable")
        key = two.store.make_key("with-the-new-password")
        seconds_until(lambda: gate.ask("GET", READ, key=key).status == 200, PROMISE)
        log = gate.process.errors.read_text(encoding="utf-8")
    assert "se/c@nd" not in log
    assert "se%2Fc" not in log


def test_verify_full_refuses_a_server_with_another_name(two: TwoGates, tmp_path: Path) -> None:
    url = two.store.url_file.read_text(encoding="utf-8").replace("localhost", "127.0.0.1")
    wrong = SharedStore(tmp_path / "url", tmp_path / "data")
    wrong.point_to(url.strip())
    for command in (("db", "check"), ("keys", "list")):
        done = wrong.run(*command)
        assert done.returncode == 2, done
        assert "certificate for another name" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_on_a_standby_gates_read_and_nobody_writes(two: TwoGates, tmp_path: Path) -> None:
    with standby_of(two.server, tmp_path) as standby:
        store = SharedStore(tmp_path / "url", tmp_path / "data")
        store.point_to(standby.url("gates"))
        with gate_on(store, tmp_path / "gate", two.upstream.url) as gate:
            assert gate.ask("GET", READ, key=two.admin).status == 200
            key = two.store.make_key("through-the-standby")
            seconds_until(lambda: gate.ask("GET", READ, key=key).status == 200, 2 * PROMISE)
            refused = call(gate, two.admin, "POST", "/keys", {"name": "no", "roles": ["viewer"]})
            done = store.run("keys", "create", "no")
            assert keys_page(gate, two.admin)["failing"] is None
    assert refused.status == 503, refused
    assert refused.get("X-Headgate-Reason") == "store_unavailable"
    assert (done.returncode, done.stdout) == (2, "")
    assert "read-only" in done.stderr


def senders(two: TwoGates, key: str) -> list[Sender]:
    """Two clients of each gate."""
    return [Sender(gate.host, gate.port, READ, (bearer(key),)) for gate in two.gates for _ in "12"]


def failing(two: TwoGates) -> None:
    """Wait until both gates show that they cannot read the store."""
    seconds_until(lambda: all(keys_page(each, two.admin)["failing"] for each in two.gates), SECONDS)


def recovered(two: TwoGates) -> None:
    """Wait until both gates show that they can."""
    seconds_until(
        lambda: not any(keys_page(each, two.admin)["failing"] for each in two.gates), SECONDS
    )


def last_used(two: TwoGates, name: str) -> int:
    """When the store says that a key was last used, in seconds since the epoch; 0: never."""
    found = two.server.execute(
        "SELECT k.name, u.used_at FROM headgate.key_uses u JOIN headgate.keys k ON k.id = u.key_id",
        "gates",
    )
    return int(dict(line.split("|") for line in found.splitlines()).get(name, 0))
