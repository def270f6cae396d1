"""What clients do to a gate that is parked: half a body, no patience, many requests, odd methods.

And what befalls the gate meanwhile: workers that are killed, a reload, a stop.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import CURRENT
from tests.support.parked_clients import Crowd, Park, watch
from tests.support.parked_clients_world import Target, make_target
from tests.support.patience import patience
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.two_gates import called
from tests.support.waiting import seconds_until
from tests.support.workers import kill_worker, worker_pids

SECONDS = 60.0
CREATE = "/api/2.0/mlflow/runs/create"
READ = "/api/2.0/mlflow/experiments/get?experiment_id=0"
JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class ParkedGate:
    """A gate with two workers in front of a real MLflow, and a key that may do everything."""

    gate: Gate
    key: str
    mlflow: MlflowServer

    def ask(self, method: str, path: str = "", message: dict[str, object] | None = None) -> Any:
        return called(self.gate, self.key, method, f"/upstreams/default{path}", message)

    def park(self, seconds: float = 120.0, *, drained: bool = True) -> None:
        self.ask("POST", "/park", {"seconds": seconds})
        if drained:
            seconds_until(lambda: bool(self.ask("GET")["drained"]), SECONDS)

    def unpark(self) -> None:
        self.ask("POST", "/unpark", {})

    @property
    def waiting(self) -> int:
        return sum(each["waiting"] for each in self.ask("GET")["gates"])

    def connect(self) -> RawClient:
        return RawClient(self.gate.host, self.gate.port, SECONDS)

    def wait_for(self, number: int) -> None:
        """Wait until the gate reports that it holds so many."""
        seconds_until(lambda: self.waiting == number, SECONDS)

    def head(self, method: str, target: str, *fields: str, key: str = "") -> bytes:
        return request_head(method, target, bearer(key or self.key), *fields)

    def create(self, experiment: str) -> bytes:
        """A whole request that makes a run."""
        body = b'{"experiment_id": "%s"}' % experiment.encode()
        return self.head("POST", CREATE, JSON, f"Content-Length: {len(body)}") + body

    def runs(self, experiment: str) -> int:
        """How many runs MLflow has there."""
        message = {"experiment_ids": [experiment], "max_results": 1000}
        return len(self.mlflow.call("POST", "2.0/mlflow/runs/search", message).get("runs", ()))


@contextmanager
def parked_gate(folder: Path, mlflow: MlflowServer, **settings: str) -> Iterator[ParkedGate]:
    key = create_key(folder / "data", "admin", ("admin",))
    environment = {"HEADGATE_LISTEN__WORKERS": "2", **settings}
    with running_gate(folder, mlflow.url, environment) as gate:
        parked = ParkedGate(gate, key, mlflow)
        seconds_until(lambda: len(parked.ask("GET")["gates"]) == 1, SECONDS)
        yield parked


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer
) -> Iterator[ParkedGate]:
    with parked_gate(tmp_path_factory.mktemp("parked-gate"), mlflow_server) as running:
        yield running


@pytest.fixture
def parked(shared: ParkedGate) -> Iterator[ParkedGate]:
    """The gate, parked unless the test has ended that."""
    shared.park()
    yield shared
    if shared.ask("GET")["park"] is not None:
        shared.unpark()
    seconds_until(lambda: shared.ask("GET")["state"] == "serving", SECONDS)


@pytest.fixture(scope="module")
def target(mlflow_server: MlflowServer) -> Target:
    return make_target(mlflow_server, f"parked-attacks-{uuid.uuid4().hex}")


@contextmanager
def clients(parked: ParkedGate, number: int) -> Iterator[list[RawClient]]:
    with ExitStack() as stack:
        yield [stack.enter_context(parked.connect()) for _ in range(number)]


def upload(target: Target, name: str) -> str:
    folder = f"{target.experiment}/{target.run}/artifacts"
    return f"/api/2.0/mlflow-artifacts/artifacts/{folder}/{name}"


# --- bodies -------------------------------------------------------------------------------------


def test_an_upload_in_mid_body_finishes_and_is_waited_for(
    shared: ParkedGate, target: Target
) -> None:
    size = 64 << 20
    block = bytes(1 << 20)
    with shared.connect() as client:
        client.send(shared.head("PUT", upload(target, "mid.bin"), f"Content-Length: {size}"))
        for _ in range(32):
            client.send(block)
        shared.park(drained=False)
        seconds_until(lambda: shared.ask("GET")["acknowledged"], SECONDS)
        found = shared.ask("GET")
        assert (found["state"], found["drained"]) == ("draining", False)
        for _ in range(32):
            client.send(block)
        assert client.response().status == 200
    seconds_until(lambda: shared.ask("GET")["drained"], SECONDS)
    shared.unpark()
    file = shared.mlflow.artifacts / target.experiment / target.run / "artifacts" / "mid.bin"
    assert file.stat().st_size == size


def test_a_held_upload_arrives_whole(parked: ParkedGate, target: Target) -> None:
    size = 8 << 20
    with parked.connect() as client:
        client.send(parked.head("PUT", upload(target, "held.bin"), f"Content-Length: {size}"))
        client.send(bytes(64 << 10))
        parked.wait_for(1)
        parked.unpark()
        client.send(bytes(size - (64 << 10)))
        assert client.response().status == 200
    file = parked.mlflow.artifacts / target.experiment / target.run / "artifacts" / "held.bin"
    assert file.stat().st_size == size


def test_a_body_is_invited_when_the_park_is_over(parked: ParkedGate, target: Target) -> None:
    with parked.connect() as client:
        fields = ("Content-Length: 4", "Expect: 100-continue")
        client.send(parked.head("PUT", upload(target, "invited.bin"), *fields))
        parked.wait_for(1)
        parked.unpark()
        assert client.response_head().status == 100
        client.send(b"body")
        assert client.response().status == 200


# --- those that leave, and connections with more than one request ---------------------------------


@pytest.mark.parametrize("reset", [False, True])
def test_mlflow_never_sees_the_requests_of_those_that_left(
    parked: ParkedGate, target: Target, reset: bool
) -> None:
    before = parked.runs(target.experiment)
    with clients(parked, 30) as leaving:
        for client in leaving:
            client.send(parked.create(target.experiment))
        parked.wait_for(30)
        if reset:
            for client in leaving:
                now = struct.pack("ii", 1, 0)
                client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    parked.wait_for(0)
    parked.unpark()
    seconds_until(lambda: parked.ask("GET")["state"] == "serving", SECONDS)
    assert parked.runs(target.experiment) == before


def test_pipelined_requests_are_answered_in_order(parked: ParkedGate) -> None:
    with parked.connect() as client:
        missing = READ.replace("=0", "=987654321")
        client.send(parked.head("GET", READ) + parked.head("GET", missing))
        client.send(parked.head("HEAD", "/"))
        parked.wait_for(1)
        parked.unpark()
        assert client.response().status == 200
        assert client.response().status == 404
        assert client.response("HEAD").status == 200


def test_a_method_that_mlflow_does_not_know_is_refused_as_ever(parked: ParkedGate) -> None:
    assert parked.gate.ask("OPTIONS", "/", key=parked.key).status in (403, 404, 405)


def test_graphql_waits_like_all_others(parked: ParkedGate) -> None:
    body = b'{"query": "query { test(inputString: \\"x\\") { output } }"}'
    with parked.connect() as client:
        client.send(parked.head("POST", "/graphql", JSON, f"Content-Length: {len(body)}") + body)
        parked.wait_for(1)
        parked.unpark()
        assert client.response().status == 200


def test_who_has_no_good_key_need_not_wait(parked: ParkedGate) -> None:
    assert parked.gate.ask("GET", READ, key="hg_wrong").status == 401


# --- one park after another ----------------------------------------------------------------------


@pytest.mark.long
def test_those_not_yet_released_wait_again_in_another_park(
    parked: ParkedGate, target: Target
) -> None:
    before = parked.runs(target.experiment)
    with clients(parked, 60) as waiting:
        for client in waiting:
            client.send(parked.create(target.experiment))
        parked.wait_for(60)
        parked.unpark()
        parked.park()
        assert parked.runs(target.experiment) + parked.waiting == before + 60
        parked.unpark()
        assert [client.response().status for client in waiting] == [200] * 60
    assert parked.runs(target.experiment) == before + 60


# --- the gate meanwhile ---------------------------------------------------------------------------


@pytest.mark.long
def test_a_killed_worker_doubles_nothing(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    """MLflow's clients send their creates again, to a worker that holds them, too."""
    with parked_gate(tmp_path, mlflow_server) as parked:
        target = make_target(mlflow_server, f"parked-killed-{uuid.uuid4().hex}")
        crowd = Crowd(CURRENT, parked.key, {"create run": 20, "log batch": 10})

        def kill() -> None:
            for pid in worker_pids(parked.gate.process):
                kill_worker(parked.gate.process, pid, signal.SIGKILL)

        park = Park(14.0, 2.0, parked.park, parked.unpark, kill)
        report = watch([crowd], [parked.gate], mlflow_server, target, park)
        for row in report.rows:
            assert (row.failed, row.lost, row.doubled) == (0, 0, 0), row
        assert sum(saw.broken for saw in report.saws) > 0
        assert report.sent_while_parked() == 0


@pytest.mark.long
def test_a_reload_lets_them_wait_on(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    with parked_gate(tmp_path, mlflow_server) as parked:
        parked.park()
        with clients(parked, 8) as waiting:
            for client in waiting:
                client.send(parked.head("GET", READ))
            parked.wait_for(8)
            parked.gate.process.signal(signal.SIGHUP)
            parked.gate.event("configuration_reloaded", 2)
            with parked.connect() as newcomer:
                newcomer.send(parked.head("GET", READ))
                parked.wait_for(9)
                parked.unpark()
                assert newcomer.response().status == 200
            assert [client.response().status for client in waiting] == [200] * 8


def test_a_gate_that_stops_refuses_those_that_wait(
    tmp_path: Path, mlflow_server: MlflowServer
) -> None:
    with parked_gate(tmp_path, mlflow_server) as parked:
        parked.park()
        with clients(parked, 8) as waiting:
            for client in waiting:
                client.send(parked.head("GET", READ))
            parked.wait_for(8)
            started = time.monotonic()
            os.kill(parked.gate.process.pid, signal.SIGTERM)
            for client in waiting:
                assert_refused(client.response())
            assert parked.gate.process.wait(SECONDS) == 0
            assert time.monotonic() - started < patience(10)


@pytest.mark.long
def test_a_gate_that_starts_while_parked_holds_its_first_request(
    tmp_path: Path, mlflow_server: MlflowServer
) -> None:
    with parked_gate(tmp_path, mlflow_server) as parked:
        parked.park()
    with running_gate(tmp_path, mlflow_server.url, {"HEADGATE_LISTEN__WORKERS": "2"}) as gate:
        again = ParkedGate(gate, parked.key, mlflow_server)
        with clients(again, 6) as waiting:
            for client in waiting:
                client.send(again.head("GET", READ))
            again.wait_for(6)
            assert not [each for each in gate.outcomes() if each.get("upstream")]
            again.unpark()
            assert [client.response().status for client in waiting] == [200] * 6


def assert_refused(response: RawResponse) -> None:
    assert response.status == 429
    assert response.get("X-Headgate-Reason") == "parked"
    assert response.get("Retry-After") == "1"
