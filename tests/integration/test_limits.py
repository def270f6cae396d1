"""Limits of principals and of strangers, with real gates; the tables are in the output (`-s`)."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.auth.keys.form import RANDOM_BYTES, mint
from tests.support.crowd import Client, Tally, crowd, row, slow_mlflow
from tests.support.gate import EVENT_SECONDS, Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.patience import patience
from tests.support.prometheus import parse
from tests.support.workers import kill_worker, worker_pids

RATE = 50
BURST = 20
USUAL = f"{RATE}/s burst {BURST}"
SECONDS = 3.0
READ = "/api/2.0/mlflow/runs/get?run_id=1"
EXPORT = "/v1/traces"
WORKERS = {"HEADGATE_LISTEN__WORKERS": "4"}


def show(line: str) -> None:
    print(line)  # noqa: T201 - the table is what the test is about


def send(
    gate: Gate, *clients: Client, seconds: float = SECONDS, warm_up: float = 0.0
) -> list[Tally]:
    return asyncio.run(crowd(gate.host, gate.port, clients, seconds, warm_up))


def stranger() -> str:
    """The header of a key that nobody has made."""
    return bearer(mint(secrets.token_bytes(RANDOM_BYTES)))


class Limited:
    """A gate of four workers whose rates are small."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.upstream = upstream
        self.config = folder / "gate.toml"
        self.keys = {
            name: create_key(folder / "data", name, roles)
            for name, roles in {
                "one": ("viewer",),
                "many": ("viewer",),
                "robot": ("viewer", "robot"),
                "admin": ("admin",),
                "writer": ("writer",),
                "fifth": ("viewer",),
            }.items()
        }

    def write(self, reads: str) -> None:
        self.config.write_text(
            f"""
[listen]
workers = 4
[limits.rates]
reads = "{reads}"
writes = "1/h"
traces = "1/h"
[limits.roles.robot.rates]
reads = "{2 * RATE}/s burst {BURST}"
[roles.robot]
grants = ["read:runs"]
""",
            encoding="utf-8",
        )


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Limited, Gate]]:
    folder = tmp_path_factory.mktemp("limited")
    with slow_mlflow(0.0) as upstream:
        made = Limited(folder, upstream)
        made.write(USUAL)
        settings = {"HEADGATE_CONFIG": str(made.config)}
        with running_gate(folder, upstream, settings) as gate:
            yield made, gate


def test_a_rate_holds_over_all_workers(limited: tuple[Limited, Gate]) -> None:
    made, gate = limited
    show(f"Four workers, {RATE} requests per second, burst {BURST}, {SECONDS:g} s:")
    for label, name, connections, rate in (
        ("one connection", "one", 1, RATE),
        ("32 connections", "many", 32, RATE),
        ("a role with twice the rate, 32", "robot", 32, 2 * RATE),
    ):
        client = Client([bearer(made.keys[name])], after_refusal=0.005)
        start = time.monotonic()
        total = sum(send(gate, *[client] * connections), Tally())
        seconds = time.monotonic() - start
        share = (total.statuses[200] - BURST) / (rate * SECONDS)
        show(f"{label:<34} {total.statuses[200]:5} x 200, {share:6.1%} of the rate")
        assert set(total.statuses) == {200, 429}
        assert total.statuses[200] - BURST >= 0.9 * rate * SECONDS / patience(1)
        assert total.statuses[200] - BURST <= 1.1 * rate * seconds


def test_a_refusal_says_what_it_is(limited: tuple[Limited, Gate]) -> None:
    made, gate = limited
    responses = [
        gate.ask("POST", "/api/2.0/mlflow/runs/create", key=made.keys["writer"], body=b"{}")
        for _ in range(2)
    ]
    assert [each.status for each in responses] == [200, 429]
    refused = responses[1]
    assert refused.get("X-Headgate-Reason") == "rate_limited"
    assert 3500 < int(refused.get("Retry-After") or 0) <= 3600
    message = json.loads(refused.body)
    assert message["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "'writer' has reached the rate limit of the class writes" in message["message"]
    assert "Nothing was sent to MLflow" in message["message"]
    assert gate.outcome(lambda each: each["status"] == 429 and each["principal"] == "writer")
    # Other classes are not affected, nor are the gate's own pages.
    assert gate.ask("GET", READ, key=made.keys["writer"]).status == 200
    page = gate.ask("GET", "/-/metrics", key=made.keys["admin"])
    assert page.status == 200
    # Others of this module have events of their own, in any order.
    gate.process.wait_until(
        lambda: (
            any(
                each["event"] == "requests_limited" and each["limit"] == "writes"
                for each in gate.events()
            )
            or None
        ),
        "the event of the limit",
        EVENT_SECONDS,
    )


def test_an_exporter_is_refused_in_its_own_form(limited: tuple[Limited, Gate]) -> None:
    made, gate = limited
    kind = "Content-Type: application/json"
    fields = (kind, "x-mlflow-experiment-id: 1")
    responses = [
        gate.ask("POST", EXPORT, *fields, key=made.keys["writer"], body=b'{"resourceSpans":[]}')
        for _ in range(2)
    ]
    assert [each.status for each in responses] == [200, 429]
    assert "class traces" in json.loads(responses[1].body)["message"]
    assert "error_code" not in json.loads(responses[1].body)
    assert int(responses[1].get("Retry-After") or 0) > 0


def test_limits_survive_a_worker_and_follow_a_reload(tmp_path: Path) -> None:
    with slow_mlflow(0.0) as upstream:
        made = Limited(tmp_path, upstream)
        made.write("unlimited")
        client = Client([bearer(made.keys["fifth"])], after_refusal=0.005)
        settings = {"HEADGATE_CONFIG": str(made.config)}
        with running_gate(tmp_path, upstream, settings) as gate:
            (unlimited,) = send(gate, client, seconds=patience(0.5))
            made.write("1/h burst 5")
            gate.event("configuration_reloaded", 4)
            (before,) = send(gate, client, seconds=patience(0.5))
            for pid in worker_pids(gate.process):
                kill_worker(gate.process, pid, signal.SIGKILL)
            after = sum(send(gate, *[client] * 8, seconds=patience(0.5)), Tally())
    assert set(unlimited.statuses) == {200}
    assert before.statuses[200] + after.statuses[200] == 5


SERVICE = 0.05
SLOTS = 8
FULL = {
    "HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT": str(SLOTS),
    "HEADGATE_LIMITS__RATES__READS": "unlimited",
}


class Crowd:
    """Four modest principals with two connections each, and a greedy one with 500."""

    def __init__(self, folder: Path, target: str) -> None:
        names = ("greedy", *(f"modest-{number}" for number in range(4)))
        keys = {name: create_key(folder / "data", name, ("viewer",)) for name in names}
        greedy = keys.pop("greedy")
        self.modest = [Client([bearer(key)], 0.01, target=target) for key in keys.values()] * 2
        self.greedy = [Client([bearer(greedy)], after_refusal=0.5, target=target)] * 500

    def compare(self, gate: Gate, seconds: float) -> tuple[Tally, Tally, Tally]:
        """The modest ones alone, then beside the greedy one, and that one."""
        alone = sum(send(gate, *self.modest, warm_up=0.5, seconds=seconds), Tally())
        both = send(gate, *self.modest, *self.greedy, warm_up=2.0, seconds=seconds)
        count = len(self.modest)
        found = alone, sum(both[:count], Tally()), sum(both[count:], Tally())
        for label, tally in zip(
            ("4 modest principals, 2 connections", "the same beside 500 of one", "that one"),
            found,
            strict=True,
        ):
            show(row(label, tally))
        return found


def test_a_greedy_principal_delays_nobody(tmp_path: Path) -> None:
    crowded = Crowd(tmp_path, READ)
    admin = create_key(tmp_path / "data", "admin", ("admin",))
    with slow_mlflow(SERVICE) as upstream, running_gate(tmp_path, upstream, FULL) as gate:
        show(f"MLflow takes {1000 * SERVICE:g} ms for each of {SLOTS} requests at a time:")
        alone, beside, greedy = crowded.compare(gate, SECONDS)
        page = parse(gate.ask("GET", "/-/metrics", key=admin).body.decode())
    assert set(alone.statuses) == set(beside.statuses) == {200}
    # First come, first served is the same for all: 256 places of the queue at 8 in 50 ms, 1.6 s.
    assert beside.quantile(0.99) < greedy.median / 2
    assert {"headgate_requests_queued", "headgate_queue_wait_seconds"} <= page.keys()


@pytest.mark.long
def test_a_greedy_principal_before_a_real_mlflow(
    tmp_path: Path, mlflow_server: MlflowServer
) -> None:
    crowded = Crowd(tmp_path, "/api/2.0/mlflow/experiments/get?experiment_id=0")
    with running_gate(tmp_path, mlflow_server.url, FULL) as gate:
        show(f"MLflow with {SLOTS} requests at a time:")
        alone, beside, greedy = crowded.compare(gate, 20.0)
    assert set(alone.statuses) == set(beside.statuses) == {200}
    assert beside.quantile(0.99) < greedy.quantile(0.5)


GUESSES = 1000
CONNECTIONS = 25


def test_strangers_hurt_no_neighbour(tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "good", ("admin",))
    guess = Client([stranger()], after_refusal=CONNECTIONS / GUESSES)
    neighbour = Client([bearer(key)], 0.01)
    settings = WORKERS | {"HEADGATE_LIMITS__FAILED_AUTHENTICATIONS": "1/s burst 20"}
    with slow_mlflow(0.005) as upstream, running_gate(tmp_path, upstream, settings) as gate:
        quiet = sum(send(gate, *[neighbour] * 4, warm_up=0.5), Tally())
        both = send(gate, *[neighbour] * 4, *[guess] * CONNECTIONS, seconds=4.0)
        beside, guesses = sum(both[:4], Tally()), sum(both[4:], Tally())
        fresh = gate.ask("GET", READ, key=key)  # on a connection of its own
        wrong = [gate.ask("GET", READ, stranger()) for _ in range(3)][-1]
        event = gate.event("authentication_throttled")
        elsewhere = Client([stranger()], address="127.0.0.2")
        other = sum(send(gate, *[elsewhere] * CONNECTIONS, seconds=patience(1.0)), Tally())
        bare = gate.ask("GET", READ)
        page = gate.ask("GET", "/-/metrics", key=key)
    total = guesses.statuses.total()
    show(f"A stranger guesses {total / 4:.0f} keys in a second, from the same address:")
    show(row("a neighbour with a good key", quiet))
    show(row("the same beside the stranger", beside))
    show(row("the stranger", guesses))
    assert set(quiet.statuses) == set(beside.statuses) == {200}
    assert beside.median < quiet.median + patience(0.25)
    assert set(guesses.statuses) == {401, 429}
    assert guesses.statuses[401] <= 20 + 1.1 * 4 + 5
    assert event["client"] == "127.0.0.1"
    assert event["count"] > 0
    assert fresh.status == 200
    assert other.statuses[401] >= 20
    assert bare.status == 401  # who shows no key guesses none
    assert (wrong.status, wrong.get("X-Headgate-Reason")) == (429, "auth_throttled")
    assert int(wrong.get("Retry-After") or 0) >= 1
    series = parse(page.body.decode())["headgate_requests_total"]
    assert "auth_throttled" in str(series)


def test_behind_a_trusted_proxy_each_client_counts_for_itself(tmp_path: Path) -> None:
    settings = {
        "HEADGATE_LISTEN__TRUSTED_PROXIES": "127.0.0.0/8",
        "HEADGATE_LIMITS__FAILED_AUTHENTICATIONS": "1/h burst 2",
    }
    with slow_mlflow(0.0) as upstream, running_gate(tmp_path, upstream, settings) as gate:

        def fails(address: str) -> int:
            return gate.ask("GET", READ, f"X-Forwarded-For: {address}", stranger()).status

        assert [fails("192.0.2.7") for _ in range(4)] == [401, 401, 429, 429]
        assert fails("192.0.2.8") == 401
        assert [fails(f"2001:db8::{last}") for last in (1, 2, 3)] == [401, 401, 429]
        assert fails("2001:db8:0:1::1") == 401
