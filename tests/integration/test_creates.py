"""A create whose response was lost is not executed twice when its client sends it again."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.creating_upstream import CreatingUpstream
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.workers import SECONDS, worker_pids

RUNS = "/api/2.0/mlflow/runs/create"
MODELS = "/api/2.0/mlflow/logged-models"
ALIKE = 64
_times = itertools.count(1_795_946_249_543)

Message = dict[str, Any]


def run_message() -> Message:
    """A create of a run, unlike any other."""
    tags = [{"key": "mlflow.user", "value": "ada"}, {"key": "b", "value": "ü"}]
    return {"experiment_id": "7", "user_id": "ada", "start_time": next(_times), "tags": tags}


@dataclass
class Scene:
    """A gate with two workers in front of a stand-in, and the keys of two principals."""

    gate: Gate
    upstream: CreatingUpstream
    key: str
    other: str

    def send(self, message: Message, key: str = "", target: str = RUNS) -> RawClient:
        """Send a create on a connection of its own, and leave that open."""
        client = self.gate.connect()
        client.send(self.request(message, key, target))
        return client

    def request(self, message: Message, key: str = "", target: str = RUNS) -> bytes:
        """The bytes of a create."""
        body = json.dumps(message).encode()
        fields = bearer(key or self.key), f"Content-Length: {len(body)}"
        return request_head("POST", target, *fields) + body

    def ask(self, message: Message, key: str = "", target: str = RUNS) -> RawResponse:
        """Send a create and wait for its response."""
        with self.send(message, key, target) as client:
            return client.response()

    def result(self, response: RawResponse) -> str:
        """What the event log says of the create in doubt that was repeated."""
        name = response.get("x-request-id")

        def found() -> Mapping[str, Any] | None:
            events = self.gate.events()
            told = [each for each in events if each["event"] == "create_reconciled"]
            return next((each for each in told if each["request_id"] == name), None)

        event = self.gate.process.wait_until(found, f"an event of {name}", 20)
        return str(event["result"])

    def kill_workers(self) -> None:
        """Kill every worker in one go, and wait until others serve."""
        process = self.gate.process
        before = worker_pids(process)
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        def replaced() -> bool | None:
            now = worker_pids(process)
            return (len(now) == len(before) and not {*now} & {*before}) or None

        process.wait_until(replaced, "other workers", SECONDS)


@contextmanager
def running_scene(folder: Path, **settings: str) -> Iterator[Scene]:
    keys = [create_key(folder / "data", name) for name in ("one", "two")]
    environment = {
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_UPSTREAMS__DEFAULT__CREATES__PATIENCE": "4",
        **settings,
    }
    with CreatingUpstream() as upstream, running_gate(folder, upstream.url, environment) as gate:
        yield Scene(gate, upstream, *keys)


@pytest.fixture(scope="module")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("creates")) as scene:
        yield scene


@pytest.fixture
def scene(_scene: Scene) -> Iterator[Scene]:
    """The gate of all tests here, with a stand-in that has created nothing yet."""
    _scene.upstream.reset()
    yield _scene
    _scene.upstream.reset()


def made(response: RawResponse) -> str:
    """The id of the run in a response."""
    assert response.status == 200, response
    return str(json.loads(response.body)["run"]["info"]["run_id"])


def replayed(response: RawResponse) -> str | None:
    return response.get("x-headgate-replayed")


def reset(client: RawClient) -> None:
    """End a connection as the kernel ends that of a process that is killed with unread data."""
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client._socket.close()


# --- the client leaves -------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [RawClient.close, reset], ids=["closed", "reset"])
def test_the_client_leaves_before_mlflow_responds(scene: Scene, leave: Any) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.respond.clear()
    client = scene.send(message)
    upstream.wait_for_runs(1)
    leave(client)
    upstream.respond.set()
    again = scene.ask(message)
    assert replayed(again) == "response"
    assert [made(again)] == upstream.run_ids
    assert again.get("vary") == "Origin"  # MLflow's own fields, too
    assert scene.result(again) == "response"
    line = scene.gate.outcome(lambda each: each["request_id"] == again.get("x-request-id"))
    assert line["replayed"] == "response"
    assert line["source"] == "mlflow"


def test_the_client_sends_it_again_while_mlflow_executes_the_first(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.execute.clear()
    with scene.send(message):
        upstream.wait_for_creates(1)
    with scene.send(message) as second:  # at any worker
        second.wait_at_most(0.5)
        with pytest.raises(TimeoutError):
            second.response()
        upstream.execute.set()
        second.wait_at_most(10)
        again = second.response()
    assert replayed(again) == "response"
    assert [made(again)] == upstream.run_ids
    assert len(upstream.creates) == 1


def test_a_client_that_leaves_before_it_has_sent_all_has_created_nothing(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    with scene.gate.connect() as client:
        client.send(scene.request(message)[:-5])
    response = scene.ask(message)
    assert replayed(response) is None
    assert [made(response)] == upstream.run_ids
    assert len(upstream.creates) == 1


def test_the_second_client_leaves_too(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.execute.clear()
    for _ in range(3):
        with scene.send(message):
            upstream.wait_for_creates(1)
    upstream.execute.set()
    again = scene.ask(message)
    assert replayed(again) == "response"
    assert [made(again)] == upstream.run_ids


def test_a_response_that_was_given_out_is_not_given_again(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.respond.clear()
    with scene.send(message):
        upstream.wait_for_runs(1)
    upstream.respond.set()
    first, second, third = (scene.ask(message) for _ in range(3))
    assert [replayed(each) for each in (first, second, third)] == ["response", None, None]
    assert sorted(map(made, (first, second, third))) == sorted(upstream.run_ids)


@pytest.mark.parametrize("difference", ["principal", "body", "query"])
def test_another_request_is_another_create(scene: Scene, difference: str) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.respond.clear()
    with scene.send(message):
        upstream.wait_for_runs(1)
    upstream.respond.set()
    if difference == "principal":
        other = scene.ask(message, scene.other)
    elif difference == "body":
        other = scene.ask({**message, "user_id": "bob"})
    else:
        other = scene.ask(message, target=f"{RUNS}?a=b")
    assert replayed(other) is None
    assert made(other) == upstream.run_ids[1]


def test_one_that_does_not_say_when_it_started_is_sent_as_it_comes(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    del message["start_time"]
    upstream.respond.clear()
    with scene.send(message):
        upstream.wait_for_runs(1)
    upstream.respond.set()
    assert replayed(scene.ask(message)) is None
    assert len(upstream.runs) == 2


# --- the worker dies ---------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before it is executed", "before it is responded to"])
def test_the_worker_is_killed(scene: Scene, moment: str) -> None:
    upstream, message = scene.upstream, run_message()
    wait = upstream.execute if moment == "before it is executed" else upstream.respond
    wait.clear()
    with scene.send(message) as client:
        upstream.wait_for_creates(1)
        scene.kill_workers()
        client.expect_close()
    with scene.send(message) as second:
        upstream.wait_until(lambda: upstream.searches > 0)
        wait.set()
        again = second.response()
    assert replayed(again) == "run"
    assert [made(again)] == upstream.run_ids
    assert scene.result(again) == "run"


def test_the_worker_is_killed_and_mlflow_has_created_nothing(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.execute.clear()
    upstream.forgets = True
    with scene.send(message) as client:
        upstream.wait_for_creates(1)
        scene.kill_workers()
        client.expect_close()
    upstream.execute.set()
    upstream.wait_until(lambda: upstream.forgotten == 1)
    upstream.forgets = False
    again = scene.ask(message)
    assert replayed(again) is None
    assert [made(again)] == upstream.run_ids
    assert scene.result(again) == "none"


def test_the_worker_is_killed_while_the_second_is_looked_up(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.execute.clear()
    with scene.send(message) as client:
        upstream.wait_for_creates(1)
        scene.kill_workers()
        client.expect_close()
    with scene.send(message) as client:
        upstream.wait_until(lambda: upstream.searches > 0)
        scene.kill_workers()
        client.expect_close()
    upstream.execute.set()
    again = scene.ask(message)
    assert replayed(again) == "run"
    assert [made(again)] == upstream.run_ids


def test_the_worker_is_killed_with_a_response_that_nobody_took(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.respond.clear()
    with scene.send(message):
        upstream.wait_for_runs(1)
    upstream.respond.set()
    upstream.wait_until(lambda: upstream.responded == 1)
    scene.kill_workers()
    again = scene.ask(message)
    assert replayed(again) in ("response", "run")
    assert [made(again)] == upstream.run_ids


# --- MLflow fails ------------------------------------------------------------------------------


def test_mlflow_is_lost_after_it_has_created(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.loses = True
    first = scene.ask(message)
    assert first.status == 502
    upstream.loses = False
    again = scene.ask(message)
    assert replayed(again) == "run"
    assert [made(again)] == upstream.run_ids


@pytest.mark.parametrize(("status", "creates"), [(400, 2), (429, 2), (503, 2)])
def test_mlflow_refuses(scene: Scene, status: int, creates: int) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.refuses = status
    assert scene.ask(message).status == status
    upstream.refuses = 0
    again = scene.ask(message)
    assert replayed(again) is None
    assert [made(again)] == upstream.run_ids
    assert len(upstream.creates) == creates
    assert upstream.searches == (status == 503)


def test_a_run_that_somebody_works_with_is_not_given_away(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.loses = True
    assert scene.ask(message).status == 502
    upstream.loses = False
    upstream.runs[0]["data"]["metrics"] = [{"key": "loss", "value": 1.0}]
    again = scene.ask(message)
    assert replayed(again) is None
    assert made(again) == upstream.run_ids[1]


def test_more_than_there_are_in_doubt_cannot_be_told_apart(scene: Scene) -> None:
    upstream, message = scene.upstream, run_message()
    upstream.loses = True
    assert scene.ask(message).status == 502
    upstream.loses = False
    upstream.runs.append(upstream.make_run(message))  # by another gate
    again = scene.ask(message)
    assert replayed(again) is None
    assert made(again) == upstream.run_ids[2]
    assert scene.result(again) == "several"


# --- many alike --------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [False, True], ids=["undisturbed", "a worker is killed"])
def test_many_alike_get_a_run_each(scene: Scene, kills: bool) -> None:
    """Processes that start in one millisecond send the same bytes, and repeat what they lose."""
    upstream, message = scene.upstream, run_message()
    upstream.execute.clear()
    barrier = threading.Barrier(ALIKE)

    def create(_number: int) -> str:
        barrier.wait()
        while True:
            with contextlib.suppress(ConnectionError, AssertionError, TimeoutError):
                response = scene.ask(message)
                if response.status == 200:
                    return made(response)

    with ThreadPoolExecutor(ALIKE) as pool:
        found = [pool.submit(create, number) for number in range(ALIKE)]
        # What a worker that is late sends of another test's is not counted.
        upstream.wait_until(lambda: upstream.creates.count(message) >= ALIKE)
        if kills:
            pid = worker_pids(scene.gate.process)[0]
            os.kill(pid, signal.SIGKILL)
        upstream.execute.set()
        ids = [each.result() for each in found]
    assert len(set(ids)) == ALIKE
    runs = [each["info"] for each in upstream.runs]
    alike = [each["run_id"] for each in runs if each["start_time"] == message["start_time"]]
    assert sorted(alike) == sorted(ids)


def test_a_logged_model(scene: Scene) -> None:
    upstream = scene.upstream
    message = {
        "experiment_id": "7",
        "name": "model",
        "source_run_id": f"{next(_times):032x}",
        "params": [{"key": "depth", "value": "3"}],
    }
    upstream.loses = True
    assert scene.ask(message, target=MODELS).status == 502
    upstream.loses = False
    again = scene.ask(message, target=MODELS)
    assert replayed(again) == "run"
    assert json.loads(again.body) == {"model": upstream.models[0]}
    assert len(upstream.models) == 1


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    off = {"HEADGATE_UPSTREAMS__DEFAULT__CREATES__RECONCILE": "false"}
    with running_scene(tmp_path, **off) as scene:
        upstream, message = scene.upstream, run_message()
        upstream.loses = True
        assert scene.ask(message).status == 502
        upstream.loses = False
        assert replayed(scene.ask(message)) is None
        assert len(upstream.runs) == 2
