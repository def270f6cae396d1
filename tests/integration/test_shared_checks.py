"""Checks of MLflow's APIs are shared by the workers of a gate, whatever happens to one of them."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headgate.contract.diagnosis import ARTIFACTS
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream, Script
from tests.support.scripts import closed, fixed, held, routed
from tests.support.workers import SECONDS, kill_worker, worker_pids

SEARCH = b"/api/2.0/mlflow/experiments/search"
EXPERIMENTS = "/-/health/experiments"
DEEP = "/-/health/artifacts?deep=1"


@dataclass
class Watched:
    """A gate of two workers, its upstream, and a connection to each worker by its number."""

    gate: Gate
    upstream: RecordingUpstream
    routes: dict[bytes, Script]
    key: str
    folder: Path
    stack: ExitStack
    clients: dict[int, RawClient] = field(default_factory=dict)
    pids: dict[int, int] = field(default_factory=dict)

    def meet(self) -> None:
        """Have a connection to each worker."""
        self.clients.clear()

        def both() -> bool | None:
            client = self.stack.enter_context(self.gate.connect())
            worker = self.ask(client, "/-/health")["worker"]
            assert worker["of"] == 2
            self.clients[worker["number"]] = client
            self.pids[worker["number"]] = worker["pid"]
            return len(self.clients) == 2 or None

        self.gate.process.wait_until(both, "both workers", SECONDS)

    def send(self, client: RawClient, path: str) -> None:
        client.send(request_head("GET", path, bearer(self.key)))

    def ask(self, client: RawClient, path: str) -> Any:
        self.send(client, path)
        return json.loads(client.response().body)

    def asked(self, start: bytes) -> int:
        """How often the upstream was asked for what begins like this."""
        return sum(start in each.request_line for each in self.upstream.requests)

    def files(self, kind: str) -> list[Path]:
        return list(self.folder.glob(f"headgate-*/*.{kind}"))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    routes: dict[bytes, Script] = {}
    folder = tmp_path / "t"
    folder.mkdir()
    settings = {"HEADGATE_LISTEN__WORKERS": "2", "TMPDIR": str(folder)}
    key = create_key(tmp_path / "data", "shared", ["admin"])
    with ExitStack() as stack:
        upstream = stack.enter_context(RecordingUpstream(routed(routes, fixed())))
        gate = stack.enter_context(running_gate(tmp_path, upstream.url, settings))
        made = Watched(gate, upstream, routes, key, folder, stack)
        made.meet()
        yield made
    assert list(folder.iterdir()) == []


def statuses(clients: list[RawClient]) -> set[int]:
    return {client.response().status for client in clients}


def test_a_thousand_questions_to_several_workers_cause_one_check(watched: Watched) -> None:
    go_on = threading.Event()
    watched.routes[SEARCH] = held(go_on, fixed())
    connected = [watched.stack.enter_context(watched.gate.connect()) for _ in range(200)]
    clients = [*connected, *watched.clients.values()]
    for client in clients:
        watched.send(client, EXPERIMENTS)
    watched.upstream.wait_until(lambda: watched.asked(SEARCH) == 1)
    go_on.set()
    assert statuses(clients) == {200}
    for _ in range(4):
        for client in clients:
            watched.send(client, EXPERIMENTS)
        assert statuses(clients) == {200}
    assert watched.asked(SEARCH) == 1
    for file in (*watched.files("json"), *watched.files("lock")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_deep_check_writes_once_for_all_workers(watched: Watched) -> None:
    told = [watched.ask(client, DEEP)["status"] for client in watched.clients.values()]
    assert len(told) == 2
    assert watched.asked(b"PUT ") == 1


@pytest.mark.parametrize("dies", [True, False])
def test_a_worker_that_dies_while_it_checks_leaves_the_check_to_another(
    watched: Watched, dies: bool
) -> None:
    """``dies``, or one that only waits for the result does."""
    go_on = threading.Event()
    watched.routes[SEARCH] = held(go_on, fixed())
    watched.send(watched.clients[0], EXPERIMENTS)
    watched.upstream.wait_until(lambda: watched.asked(SEARCH) == 1)
    watched.send(watched.clients[1], EXPERIMENTS)
    killed, left = (0, 1) if dies else (1, 0)
    kill_worker(watched.gate.process, watched.pids[killed], signal.SIGKILL)
    watched.upstream.wait_until(lambda: watched.asked(SEARCH) == 1 + dies)
    go_on.set()
    assert watched.clients[left].response().status == 200
    watched.meet()
    assert watched.pids[killed] in worker_pids(watched.gate.process)
    for client in watched.clients.values():  # the one in the place of the other reads it, too
        assert watched.ask(client, EXPERIMENTS)["status"] == "ok"


def test_a_folder_that_is_gone_is_made_again(watched: Watched) -> None:
    """As when something cleans up the folder for temporary files."""
    (folder,) = watched.folder.iterdir()
    shutil.rmtree(folder)
    for client in watched.clients.values():
        assert watched.ask(client, EXPERIMENTS)["status"] == "ok"
    assert watched.asked(SEARCH) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_worker_that_stops_takes_away_what_its_check_wrote(watched: Watched) -> None:
    """Also when nobody waits for the result any more."""
    go_on = threading.Event()
    watched.upstream.scripts[:] = [_artifact(go_on)]
    client = watched.clients[0]
    watched.send(client, DEEP)
    watched.upstream.wait_until(lambda: watched.asked(b"PUT ") == 1)
    client.reset()
    watched.gate.process.signal(signal.SIGINT)
    watched.gate.process.wait_until(lambda: is_closed(watched.gate), "the port closed", SECONDS)
    go_on.set()
    watched.gate.process.wait(SECONDS)
    assert watched.asked(b"DELETE ") == 1


def is_closed(gate: Gate) -> bool | None:
    try:
        gate.connect().close()
    except ConnectionRefusedError:
        return True
    return None


def _artifact(go_on: threading.Event) -> Script:
    """Answers a write only after the test says so."""

    def script(exchange: Exchange) -> None:
        writes = exchange.request.request_line.startswith(b"PUT ")
        (held(go_on, fixed()) if writes else fixed())(exchange)

    return script


def test_a_failure_is_shared_with_its_reason(watched: Watched) -> None:
    watched.routes[SEARCH] = closed()
    found: list[RawResponse] = []
    for client in watched.clients.values():
        watched.send(client, EXPERIMENTS)
        found.append(client.response())
    assert {response.status for response in found} == {503}
    assert {response.get("X-Headgate-Reason") for response in found} == {"upstream_reset"}
    told = [json.loads(response.body)["upstreams"]["default"] for response in found]
    assert told[0] == told[1]
    assert "MLflow's log" in told[0]["cure"]
    assert ARTIFACTS not in told[0]["detail"]
