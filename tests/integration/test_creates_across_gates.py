"""A create whose gate is gone is recognised by another gate, where they share creates."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.gate import Gate
from tests.support.gates_with_creates import (
    Gates,
    create,
    kill,
    made,
    replayed,
    run_message,
    running_gates,
    send,
    unshared,
)
from tests.support.waiting import seconds_until

ALIKE = 64
SECONDS = 60.0


@pytest.fixture(scope="module")
def _gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gates]:
    with running_gates(tmp_path_factory.mktemp("across")) as gates:
        yield gates


@pytest.fixture(scope="module")
def survivor(_gates: Gates) -> Iterator[Gate]:
    """The gate to which clients come when theirs is gone."""
    with _gates.gate("survivor") as gate:
        yield gate


@pytest.fixture
def gates(_gates: Gates) -> Iterator[Gates]:
    _gates.upstream.reset()
    yield _gates
    _gates.upstream.reset()


def test_the_gate_is_killed_before_mlflow_has_the_create(gates: Gates, survivor: Gate) -> None:
    """Nothing was created: it is searched for, and sent as a new one."""
    upstream, message = gates.upstream, run_message()
    upstream.forgets = True
    upstream.execute.clear()
    with gates.gate("first") as first, send(first, message, gates.key):
        upstream.wait_for_creates(1)
        kill(first)
        upstream.execute.set()
        upstream.wait_until(lambda: upstream.forgotten == 1)
        upstream.forgets = False
        response = create(survivor, message, gates.key)
    assert (made(response), replayed(response)) == (upstream.run_ids[0], None)
    assert len(upstream.runs) == 1


def test_the_gate_is_killed_before_mlflow_has_responded(gates: Gates, survivor: Gate) -> None:
    upstream, message = gates.upstream, run_message()
    upstream.respond.clear()
    with gates.gate("first") as first, send(first, message, gates.key):
        upstream.wait_for_runs(1)
        kill(first)
        response = create(survivor, message, gates.key)
    assert (made(response), replayed(response)) == (upstream.run_ids[0], "run")
    assert len(upstream.creates) == 1


def test_the_gate_is_killed_before_it_may_give_the_response(gates: Gates, survivor: Gate) -> None:
    """Its client has not a byte: MLflow's repeats no request whose response broke off."""
    upstream, message = gates.upstream, run_message()
    upstream.respond.clear()
    with gates.gate("first") as first, send(first, message, gates.key) as client:
        upstream.wait_for_runs(1)
        with gates.last_row_locked():
            upstream.respond.set()
            seconds_until(gates.waits_for_a_lock, SECONDS)
            kill(first)
            assert client.receive_to_end() == b""
        response = create(survivor, message, gates.key)
    assert (made(response), replayed(response)) == (upstream.run_ids[0], "run")
    assert len(upstream.creates) == 1


def test_without_it_the_run_is_doubled(gates: Gates) -> None:
    """The control."""
    upstream, message = gates.upstream, run_message()
    upstream.respond.clear()
    off = {"HEADGATE_UPSTREAMS__DEFAULT__CREATES__ACROSS_GATES": "false"}
    with (
        gates.gate("first", off) as first,
        gates.gate("second", off) as second,
        send(first, message, gates.key),
    ):
        upstream.wait_for_runs(1)
        kill(first)
        upstream.respond.set()
        made(create(second, message, gates.key))
        assert len(upstream.runs) == 2
        assert unshared(second, gates.key, "unavailable") == 0


def test_the_client_leaves_and_comes_to_another_gate(gates: Gates, survivor: Gate) -> None:
    """Both gates live: MLflow's response is given by the other one."""
    upstream, message = gates.upstream, run_message()
    upstream.respond.clear()
    with gates.gate("first") as first:
        with send(first, message, gates.key):
            upstream.wait_for_runs(1)
        seconds_until(lambda: gates.last_row("state") == "2", SECONDS)
        with send(survivor, message, gates.key) as again:
            seconds_until(lambda: gates.last_row("claimer IS NULL") == "f", SECONDS)
            upstream.respond.set()
            response = again.response()
    assert (made(response), replayed(response)) == (upstream.run_ids[0], "response")
    assert len(upstream.creates) == 1


def test_creates_alike_on_live_connections_are_all_sent(gates: Gates, survivor: Gate) -> None:
    """Those of 64 processes over two gates are 64 runs, each process's own."""
    upstream, message = gates.upstream, run_message()
    with gates.gate("first") as first, ThreadPoolExecutor(ALIKE) as executor:
        both = [first, survivor] * (ALIKE // 2)
        responses = list(executor.map(lambda gate: create(gate, message, gates.key), both))
    assert len({made(each) for each in responses}) == ALIKE
    assert [replayed(each) for each in responses] == [None] * ALIKE
    assert len(upstream.runs) == ALIKE


def test_one_of_two_alike_is_lost_with_its_gate(gates: Gates, survivor: Gate) -> None:
    """The run of the other process is not given to the one that comes again."""
    upstream, message = gates.upstream, run_message()
    upstream.respond.clear()
    with gates.gate("first") as first, send(first, message, gates.key):
        upstream.wait_for_runs(1)
        with send(survivor, message, gates.key) as other:
            upstream.wait_for_runs(2)
            kill(first)
            upstream.respond.set()
            own = made(other.response())
        response = create(survivor, message, gates.key)
    assert own == upstream.run_ids[1]
    assert (made(response), replayed(response)) == (upstream.run_ids[0], "run")
    assert len(upstream.runs) == 2


def test_the_store_stops(gates: Gates, survivor: Gate) -> None:
    """Creates go on, and are counted; once it is back they are shared again."""
    upstream = gates.upstream
    gates.server.stop()
    try:
        made(create(survivor, run_message(), gates.key))
        made(create(survivor, run_message(), gates.key))
        survivor.event("creates_not_shared")
    finally:
        gates.server.start()
    assert unshared(survivor, gates.key, "unavailable") >= 2
    survivor.event("creates_shared")
    message = run_message()
    upstream.respond.clear()
    with gates.gate("first") as first, send(first, message, gates.key):
        upstream.wait_for_runs(3)
        kill(first)
        response = create(survivor, message, gates.key)
    assert (made(response), replayed(response)) == (upstream.run_ids[2], "run")
    assert len(upstream.runs) == 3
