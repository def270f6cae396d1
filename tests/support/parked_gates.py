"""Gates that are parked, and requests that wait at them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support.gate import Gate, bearer
from tests.support.processes import ServerProcess
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.two_gates import READ, SharedStore, call, called
from tests.support.waiting import seconds_until
from tests.support.workers import worker_pids

PATIENCE = 60.0
FOLLOWED_SECONDS = 20.0
"""Two on a machine that does nothing else."""


def park(
    store: SharedStore, gate: Gate, admin: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run ``headgate park``."""
    return store.run("park", "--url", gate.url, *arguments, HEADGATE_API_KEY=admin)


def unpark(
    store: SharedStore, gate: Gate, admin: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run ``headgate unpark``."""
    return store.run("unpark", "--url", gate.url, *arguments, HEADGATE_API_KEY=admin)


def upstream_of(gate: Gate, admin: str) -> dict[str, Any]:
    """How the default upstream stands."""
    return dict(called(gate, admin, "GET", "/upstreams/default"))


def parked(gate: Gate, admin: str, **more: object) -> dict[str, Any]:
    """Park through the API, and wait until nothing is in flight anywhere."""
    asked = called(gate, admin, "POST", "/upstreams/default/park", more)
    seconds_until(lambda: bool(upstream_of(gate, admin)["drained"]), FOLLOWED_SECONDS)
    return dict(asked["park"])


def released(gate: Gate, admin: str) -> None:
    """End whatever park there is, and wait until requests go on at all gates."""
    called(gate, admin, "POST", "/upstreams/default/unpark", {"force": True})

    def serves() -> bool:
        found = upstream_of(gate, admin)
        return bool(found["acknowledged"]) and found["state"] == "serving"

    seconds_until(serves, FOLLOWED_SECONDS)


def refused(gate: Gate, admin: str, path: str, **message: object) -> str:
    """The sentence with which a gate refuses a request to its API."""
    response = call(gate, admin, "POST", path, message)
    assert response.status >= 400, response
    return str(json.loads(response.body)["message"])


@contextmanager
def requests_under_way(
    gate: Gate, key: str, count: int = 4
) -> Iterator[Sequence[Future[RawResponse]]]:
    """Requests that were sent, each on a connection of its own, and what becomes of them."""
    head = request_head("GET", READ, bearer(key), host=f"{gate.host}:{gate.port}")

    def response(client: RawClient) -> RawResponse:
        return client.response()

    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(count))
        clients = [
            stack.enter_context(RawClient(gate.host, gate.port, PATIENCE)) for _ in range(count)
        ]
        for client in clients:
            client.send(head)
        yield [executor.submit(response, client) for client in clients]


@contextmanager
def stopped_processes(process: ServerProcess) -> Iterator[None]:
    """Let a gate stand still, all of its processes, until the block ends."""
    pids = [process.pid, *worker_pids(process)]
    with contextlib.ExitStack() as stack:
        for pid in pids:
            stack.callback(os.kill, pid, signal.SIGCONT)
            os.kill(pid, signal.SIGSTOP)
        yield
