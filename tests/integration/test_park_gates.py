"""Two gates with two workers each, on one PostgreSQL, are parked together."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.gate import Gate, bearer
from tests.support.parked_gates import (
    FOLLOWED_SECONDS,
    PATIENCE,
    park,
    parked,
    refused,
    released,
    requests_under_way,
    stopped_processes,
    unpark,
    upstream_of,
)
from tests.support.steady_load import Sender, steady_load
from tests.support.two_gates import (
    READ,
    TwoGates,
    called,
    gate_on,
    running_two_gates,
    stopped,
)
from tests.support.waiting import seconds_until
from tests.support.workers import kill_worker, worker_pids

pytestmark = pytest.mark.first
WAITING = 4


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoGates]:
    folder = tmp_path_factory.mktemp("parked-gates")
    with running_two_gates(folder, HEADGATE_LISTEN__WORKERS="2") as running:
        yield running


@pytest.fixture
def gates(two: TwoGates) -> Iterator[TwoGates]:
    """Both gates are registered, and not parked before the test or after it."""
    released(two.gates[0], two.admin)
    yield two
    released(two.gates[0], two.admin)


def waiting(two: TwoGates) -> list[int]:
    """How many requests wait at each gate, as the store has it."""
    found = upstream_of(two.gates[0], two.admin)["gates"]
    by_name = {each["name"].rpartition(":")[2]: each["waiting"] for each in found}
    return [by_name.get(str(gate.port), 0) for gate in two.gates]


def reads(two: TwoGates) -> int:
    """How many requests of clients MLflow has got; the gates' own probes reach it always."""
    return sum(READ.encode() in each.request_line for each in two.upstream.requests)


def test_under_load_requests_wait_at_both_gates_and_none_fails(gates: TwoGates) -> None:
    first, second = gates.gates
    fields = [bearer(gates.admin)]
    senders = [
        Sender(gate.host, gate.port, READ, fields) for gate in gates.gates for _ in range(WAITING)
    ]
    with steady_load(senders) as load:
        load.wait_for(50)
        done = park(gates.store, first, gates.admin, "--max", "2m", "--sentence", "tea")
        assert done.returncode == 0, done.stderr
        assert "is parked at 2 gates until" in done.stdout
        seconds_until(lambda: waiting(gates) == [WAITING, WAITING], FOLLOWED_SECONDS)
        quiet = reads(gates)
        before = len(load.times)
        health = json.loads(second.ask("GET", "/-/health", key=gates.admin).body)
        assert '"parked"' in json.dumps(health)
        assert reads(gates) == quiet  # the machine's time for two requests and more
        assert len(load.times) == before
        done = unpark(gates.store, second, gates.admin)
        assert (done.returncode, done.stdout) == (0, "upstream default is unparked\n")
        load.wait_for(200)
    assert load.failures == []
    events = [each["event"] for each in first.events()]
    assert "maintenance_asked" in events


def test_a_second_operator_at_another_gate_is_refused(gates: TwoGates) -> None:
    first, second = gates.gates
    held = parked(first, gates.admin, seconds=120, sentence="tea")
    message = refused(second, gates.admin, "/upstreams/default/park")
    assert f"is parked by 'admin' until {held['ends_at']} ('tea')" in message
    done = park(gates.store, second, gates.admin)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is parked by 'admin'" in done.stderr
    assert upstream_of(second, gates.admin)["drained"]  # still


def asked_by(gate: Gate, actor: str) -> Mapping[str, Any] | None:
    """The event about what somebody has asked of an upstream."""
    for each in gate.events():
        if each["event"] == "maintenance_asked" and each["actor"] == actor:
            return each
    return None


def test_another_operator_unparks(gates: TwoGates) -> None:
    first, second = gates.gates
    other = gates.store.told("keys", "create", "ben", "--role", "admin")
    gates.wait(other, 200, limit=FOLLOWED_SECONDS)
    parked(first, gates.admin, seconds=120)
    with requests_under_way(second, gates.admin) as held:
        seconds_until(lambda: waiting(gates)[1] == len(held), FOLLOWED_SECONDS)
        done = unpark(gates.store, second, other)
        assert done.returncode == 0, done.stderr
        assert [each.result(PATIENCE).status for each in held] == [200] * len(held)
    asked = second.process.wait_until(lambda: asked_by(second, "ben"), "ben", FOLLOWED_SECONDS)
    assert asked["begun_by"] == "admin"


def test_a_gate_that_stands_still_aborts_it_and_clients_go_on(gates: TwoGates) -> None:
    first, second = gates.gates
    senders = [Sender(first.host, first.port, READ, [bearer(gates.admin)])] * 2
    with steady_load(senders) as load, stopped_processes(second.process):
        load.wait_for(10)
        done = park(gates.store, first, gates.admin, "--ack-timeout", "4s")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "upstream default is not parked: gate " in done.stderr
        assert f":{second.port} (g_" in done.stderr
        assert "has not acknowledged it within 4 s; if it is gone, remove it with" in done.stderr
        load.wait_for(50)
    assert load.failures == []


def test_a_gate_that_starts_is_parked_from_its_first_request(gates: TwoGates) -> None:
    parked(gates.gates[0], gates.admin, seconds=300)
    before = reads(gates)
    settings = {"HEADGATE_LISTEN__WORKERS": "2"}
    with (
        gate_on(gates.store, gates.folder / "third", gates.upstream.url, **settings) as third,
        requests_under_way(third, gates.admin, 8) as held,
    ):
        seconds_until(lambda: len(upstream_of(third, gates.admin)["gates"]) == 3, FOLLOWED_SECONDS)
        assert reads(gates) == before
        assert not any(each.done() for each in held)
        assert unpark(gates.store, third, gates.admin).returncode == 0
        assert [each.result(PATIENCE).status for each in held] == [200] * 8
    # It has left: nobody waits for its acknowledgement.
    assert len(upstream_of(gates.gates[0], gates.admin)["gates"]) == 2


def test_a_worker_that_replaces_another_is_parked(gates: TwoGates) -> None:
    first = gates.gates[0]
    parked(first, gates.admin, seconds=300)
    before = reads(gates)
    for pid in worker_pids(first.process):  # also the one that follows the store
        kill_worker(first.process, pid, signal.SIGKILL)
    with requests_under_way(first, gates.admin, 8) as held:
        seconds_until(lambda: waiting(gates)[0] == 8, FOLLOWED_SECONDS)
        assert reads(gates) == before
        assert upstream_of(first, gates.admin)["drained"]
        assert unpark(gates.store, first, gates.admin).returncode == 0
        assert [each.result(PATIENCE).status for each in held] == [200] * 8


def test_a_gate_that_was_killed_is_missing_until_it_is_removed(gates: TwoGates) -> None:
    settings = {"HEADGATE_LISTEN__WORKERS": "1"}
    with gate_on(gates.store, gates.folder / "lost", gates.upstream.url, **settings) as lost:
        seconds_until(lambda: len(upstream_of(lost, gates.admin)["gates"]) == 3, FOLLOWED_SECONDS)
        for pid in [lost.process.pid, *worker_pids(lost.process)]:
            os.kill(pid, signal.SIGKILL)
    first = gates.gates[0]
    done = park(gates.store, first, gates.admin, "--ack-timeout", "3s")
    assert done.returncode == 1
    gate_id = done.stderr.partition("headgate gates remove ")[2].partition("'")[0]
    api = {"HEADGATE_API_KEY": gates.admin}
    done = gates.store.run("gates", "remove", gate_id, "--url", first.url, **api)
    assert done.returncode == 0, done.stderr
    done = park(gates.store, first, gates.admin)
    assert done.returncode == 0, done.stderr
    listed = gates.store.run("gates", "list", "--json", "--url", first.url, **api)
    assert len(json.loads(listed.stdout)["gates"]) == 2


def test_without_the_database_the_parked_stay_parked_until_the_end(gates: TwoGates) -> None:
    first, second = gates.gates
    began = time.time()
    parked(first, gates.admin, seconds=12)
    before = reads(gates)
    with (
        stopped(gates.server),
        requests_under_way(first, gates.admin) as held,
        requests_under_way(second, gates.admin) as others,
    ):
        second.event("maintenance_not_followed")
        if time.time() < began + 11:  # the machine was quick enough to see it
            assert reads(gates) == before
        message = refused(first, gates.admin, "/upstreams/default/unpark")
        assert "nothing was done" in message
        # Nobody can end it, so it ends by itself.
        statuses = [each.result(PATIENCE).status for each in (*held, *others)]
        assert statuses == [200] * len(statuses)
        assert time.time() >= began + 11
    second.event("maintenance_followed")


def test_a_park_that_nobody_ends_ends_by_itself(gates: TwoGates) -> None:
    first, second = gates.gates
    parked(first, gates.admin, seconds=6)
    with requests_under_way(second, gates.admin) as held:
        assert [each.result(PATIENCE).status for each in held] == [200] * len(held)
    shown = upstream_of(first, gates.admin)
    assert shown["park"] is None
    called(second, gates.admin, "POST", "/upstreams/default/unpark")
    assert upstream_of(first, gates.admin)["revision"] == shown["revision"]  # nothing was to do
