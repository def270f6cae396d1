"""Two gates that share creates through a store, and what happens to them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.creating_upstream import CreatingUpstream
from tests.support.gate import Gate, bearer
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.two_gates import SharedStore, gate_on, shared_store
from tests.support.workers import worker_pids

RUNS = "/api/2.0/mlflow/runs/create"
ACROSS = {
    "HEADGATE_UPSTREAMS__DEFAULT__CREATES__ACROSS_GATES": "true",
    "HEADGATE_UPSTREAMS__DEFAULT__CREATES__STORE_TIMEOUT": "30",
}
CLIENT_SECONDS = 120.0
"""As long as MLflow's client waits for a response."""
_LAST_ROW = "SELECT * FROM headgate.creates ORDER BY sent_at DESC NULLS LAST LIMIT 1"
_times = itertools.count(1_795_946_249_543)

Message = dict[str, Any]


def run_message() -> Message:
    """A create of a run, unlike any other."""
    tags = [{"key": "mlflow.user", "value": "ada"}]
    return {"experiment_id": "7", "user_id": "ada", "start_time": next(_times), "tags": tags}


def request_of(message: Message, key: str) -> bytes:
    """The bytes of a create, always the same for the same message."""
    body = json.dumps(message).encode()
    return request_head("POST", RUNS, bearer(key), f"Content-Length: {len(body)}") + body


def send(gate: Gate, message: Message, key: str) -> RawClient:
    """Send a create on a connection of its own, and leave that open."""
    client = RawClient(gate.host, gate.port, CLIENT_SECONDS)
    client.send(request_of(message, key))
    return client


def create(gate: Gate, message: Message, key: str) -> RawResponse:
    """Send a create and wait for its response."""
    with send(gate, message, key) as client:
        return client.response()


def kill(gate: Gate) -> None:
    """Kill a gate whole, with all its processes, as the host's end would."""
    for pid in (gate.process.pid, *worker_pids(gate.process)):
        os.kill(pid, signal.SIGKILL)


def made(response: RawResponse) -> str:
    """The id of the run in a response."""
    assert response.status == 200, response
    return str(json.loads(response.body)["run"]["info"]["run_id"])


def replayed(response: RawResponse) -> str | None:
    """What a response says of where it comes from."""
    return response.get("x-headgate-replayed")


def unshared(gate: Gate, key: str, reason: str) -> float:
    """How many creates a gate has not shared for that reason."""
    text = gate.ask("GET", "/-/metrics", key=key).body.decode()
    name = f'headgate_creates_unshared_total{{reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if name in line)


@dataclass(frozen=True)
class Gates:
    """A database, its store, the key of a client, and a stand-in for MLflow.

    ``key`` is an administrator's.
    """

    server: PostgresServer
    store: SharedStore
    key: str
    upstream: CreatingUpstream
    folder: Path

    @contextmanager
    def gate(self, name: str, settings: Mapping[str, str] | None = None) -> Iterator[Gate]:
        """Run a gate that shares creates, unless ``settings`` say otherwise."""
        environment = {"HEADGATE_LISTEN__WORKERS": "1", **ACROSS, **(settings or {})}
        with gate_on(self.store, self.folder / name, self.upstream.url, **environment) as gate:
            yield gate

    @contextmanager
    def last_row_locked(self) -> Iterator[None]:
        """Until the block ends, nobody can change the row of the create that was sent last."""
        with psycopg.connect(self.server.url("creates")) as connection:
            connection.execute(f"{_LAST_ROW} FOR UPDATE")
            yield

    def waits_for_a_lock(self) -> bool:
        """Whether anybody waits for such a row."""
        return self.server.execute("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"

    def last_row(self, what: str) -> str:
        """What SQL says of the create that was sent last; those of earlier tests are there, too."""
        return self.server.execute(f"SELECT {what} FROM ({_LAST_ROW}) AS last", "creates")  # noqa: S608


@contextmanager
def running_gates(folder: Path) -> Iterator[Gates]:
    """Run what two gates share, until the block ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        store = shared_store(server, folder / "store", "creates", server.url("creates"))
        key = store.make_key("client", "admin")
        upstream = stack.enter_context(CreatingUpstream())
        yield Gates(server, store, key, upstream, folder)
