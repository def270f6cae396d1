"""What a narrowed key's request costs MLflow: look-ups are bounded, batched, and end with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgate.decide.resolver import BATCH, MAX_OBJECTS
from tests.support.gate import Gate, bearer, running_gate
from tests.support.keys import make_key
from tests.support.named_objects import NamedObjects, asked_of
from tests.support.raw import RawResponse, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream, Script
from tests.support.scripts import held

SETTINGS = '[roles.team-a]\ngrants = ["*:* on experiment team-a/*"]\n'
SEARCH = "/api/2.0/mlflow/runs/search"
LOG = "/api/2.0/mlflow/runs/log-batch"
OUTPUTS = "/api/2.0/mlflow/runs/outputs"
LINK = "/api/2.0/mlflow/traces/link-to-run"
RUN = "/api/2.0/mlflow/runs/get"
EXPERIMENT = "/api/2.0/mlflow/experiments/get"
INFOS = "/api/3.0/mlflow/traces/batchGetInfos"
OWN, OTHER = "1", "2"
SECONDS = 20.0


def run_id(number: int) -> str:
    return f"{number:032x}"


def trace_id(number: int) -> str:
    return f"tr-{number:032x}"


@dataclass(frozen=True)
class Scene:
    """A gate with a narrowed key, and what it asks of MLflow."""

    gate: Gate
    upstream: RecordingUpstream
    objects: NamedObjects
    key: str

    def post(self, path: str, message: object) -> RawResponse:
        body = json.dumps(message).encode()
        return self.gate.ask(
            "POST", path, "Content-Type: application/json", key=self.key, body=body
        )

    def wait_for_queue(self, length: int) -> None:
        """Wait until so many requests wait for room at the upstream."""

        def waiting() -> bool | None:
            page = json.loads(self.gate.ask("GET", "/-/health", key=self.key).body)
            return page["upstreams"][0]["queued"] == length or None

        self.gate.process.wait_until(waiting, f"a queue of {length}", SECONDS)


Start = Callable[..., Scene]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(script: Script | None = None, **environment: str) -> Scene:
            objects = NamedObjects({OWN: "team-a/x", OTHER: "team-b/x"})
            upstream = stack.enter_context(RecordingUpstream(script or objects))
            settings = tmp_path / "headgate.toml"
            settings.write_text(SETTINGS)
            (tmp_path / "data").mkdir()
            key = make_key(tmp_path / "data", "narrowed", ["team-a"])
            variables = {"HEADGATE_CONFIG": str(settings), **environment}
            gate = stack.enter_context(running_gate(tmp_path, upstream.url, variables))
            return Scene(gate, upstream, objects, key)

        yield started


def test_more_objects_than_are_looked_up_are_refused_with_the_limit(start: Start) -> None:
    scene = start()
    runs = [run_id(number) for number in range(3000)]
    scene.objects.runs.update(dict.fromkeys(runs, OWN))
    metrics = [{"key": "m", "value": 1, "timestamp": 1, "run_id": each} for each in runs]
    response = scene.post(LOG, {"run_id": runs[0], "metrics": metrics})
    message = json.loads(response.body)["message"]
    assert response.status == 403
    assert str(MAX_OBJECTS) in message
    assert "in parts" in message
    # While the server's version is not known, an old one that reads the run alone is thought of.
    assert asked_of(scene.upstream) in ({}, {RUN: 1, EXPERIMENT: 1})


def test_doubles_are_looked_up_once(start: Start) -> None:
    scene = start()
    scene.objects.runs[run_id(1)] = OWN
    metrics = [{"key": "m", "value": 1, "timestamp": 1, "run_id": run_id(1)}] * 1000
    assert scene.post(LOG, {"run_id": run_id(1), "metrics": metrics}).status == 200
    assert asked_of(scene.upstream) == {RUN: 1, EXPERIMENT: 1, LOG: 1}


def test_as_many_as_the_limit_are_looked_up(start: Start) -> None:
    scene = start()
    runs = [run_id(number) for number in range(MAX_OBJECTS)]
    scene.objects.runs.update(dict.fromkeys(runs, OWN))
    metrics = [{"key": "m", "value": 1, "timestamp": 1, "run_id": each} for each in runs]
    assert scene.post(LOG, {"run_id": runs[0], "metrics": metrics}).status == 200
    assert asked_of(scene.upstream) == {RUN: MAX_OBJECTS, EXPERIMENT: 1, LOG: 1}


def test_the_first_that_does_not_fit_ends_the_lookups(start: Start) -> None:
    scene = start()
    runs = [run_id(number) for number in range(MAX_OBJECTS)]
    scene.objects.runs.update(dict.fromkeys(runs, OWN) | {runs[2]: OTHER})
    metrics = [{"key": "m", "value": 1, "timestamp": 1, "run_id": each} for each in runs]
    assert scene.post(LOG, {"run_id": runs[0], "metrics": metrics}).status == 403
    assert asked_of(scene.upstream) == {RUN: 3, EXPERIMENT: 2}


def test_a_data_set_of_many_experiments_is_bounded_too(start: Start) -> None:
    scene = start()
    data_set = f"d-{1:032x}"
    many = [str(number) for number in range(100, 100 + 2 * MAX_OBJECTS)]
    scene.objects.experiments.update(dict.fromkeys(many, "team-a/x"))
    scene.objects.datasets[data_set] = many
    response = scene.gate.ask("GET", f"/api/3.0/mlflow/datasets/{data_set}", key=scene.key)
    assert response.status == 403
    assert str(MAX_OBJECTS) in json.loads(response.body)["message"]
    assert asked_of(scene.upstream)[EXPERIMENT] <= MAX_OBJECTS


@pytest.mark.parametrize("batches", [True, False])
def test_traces_are_looked_up_in_batches_where_mlflow_can(start: Start, batches: bool) -> None:
    scene = start()
    traces = [trace_id(number) for number in range(MAX_OBJECTS - 1)]
    scene.objects.traces.update(dict.fromkeys(traces, OWN))
    scene.objects.runs[run_id(1)] = OWN
    scene.objects.batches = batches
    assert scene.post(LINK, {"trace_ids": traces, "run_id": run_id(1)}).status == 200
    asked = asked_of(scene.upstream)
    assert asked[INFOS] == (-(-len(traces) // BATCH) if batches else 1)
    assert sum(asked.values()) == asked[INFOS] + (3 if batches else 3 + len(traces))


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("at", [0, BATCH, MAX_OBJECTS - 2])
def test_a_foreign_trace_among_many_is_found(start: Start, batches: bool, at: int) -> None:
    scene = start()
    traces = [trace_id(number) for number in range(MAX_OBJECTS - 1)]
    scene.objects.traces.update(dict.fromkeys(traces, OWN) | {traces[at]: OTHER})
    scene.objects.runs[run_id(1)] = OWN
    scene.objects.batches = batches
    assert scene.post(LINK, {"trace_ids": traces, "run_id": run_id(1)}).status == 403
    assert asked_of(scene.upstream)[LINK] == 0


def test_a_trace_that_is_not_there_is_not_taken_for_ones_own(start: Start) -> None:
    scene = start()
    scene.objects.traces[trace_id(1)] = OWN
    scene.objects.runs[run_id(1)] = OWN
    message = {"trace_ids": [trace_id(1), trace_id(2)], "run_id": run_id(1)}
    assert scene.post(LINK, message).status == 403


def test_lookups_wait_for_room_and_never_for_each_other(start: Start) -> None:
    """With one place at the gate and one at MLflow, many requests are served one after another."""
    scene = start(
        HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT="1",
    )
    runs = [run_id(number) for number in range(8)]
    scene.objects.runs.update(dict.fromkeys(runs, OWN))
    with ThreadPoolExecutor(len(runs)) as pool:
        metric = {"key": "m", "value": 1, "timestamp": 1}
        responses = pool.map(
            lambda each: scene.post(LOG, {"run_id": each, "metrics": [metric]}), runs
        )
        assert [response.status for response in responses] == [200] * len(runs)


def test_one_place_at_the_gate_is_enough(start: Start) -> None:
    scene = start(
        HEADGATE_LIMITS__IN_FLIGHT="1", HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT="1"
    )
    scene.objects.runs[run_id(1)] = OWN
    assert scene.post(LOG, {"run_id": run_id(1)}).status == 200


def test_a_request_whose_objects_are_looked_up_takes_a_place(start: Start) -> None:
    released = threading.Event()
    objects = NamedObjects({OWN: "team-a/x"}, {run_id(1): OWN})
    scene = start(held(released, objects), HEADGATE_LIMITS__IN_FLIGHT="1")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(scene.post, LOG, {"run_id": run_id(1)})
        scene.upstream.wait_until(lambda: len(scene.upstream.requests) == 1)
        second = scene.post(LOG, {"run_id": run_id(1)})
        released.set()
        assert second.status == 429
        assert second.get("X-Headgate-Reason") == "overloaded"
        assert first.result().status == 200


def test_a_client_that_leaves_takes_its_lookups_along(start: Start) -> None:
    """The look-up under way is given up, and no further one is begun."""
    begun = threading.Event()

    def never(exchange: Exchange) -> None:
        exchange.read_body()
        begun.set()
        exchange.wait_for_disconnect()

    scene = start(never)
    body = json.dumps({"run_id": run_id(1), "metrics": []}).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with scene.gate.connect() as client:
        client.send(request_head("POST", LOG, bearer(scene.key), *fields) + body)
        assert begun.wait(SECONDS)
        client.reset()
    scene.upstream.disconnected_request(0)
    gone = scene.gate.outcome(lambda line: line["path"] == LOG)
    assert gone["reason"] == "client_gone"
    assert len(scene.upstream.requests) == 1


def test_a_client_that_leaves_the_queue_leaves_its_place(start: Start) -> None:
    """A look-up that waits for room is not made once nobody waits for it."""
    released = threading.Event()
    objects = NamedObjects({OWN: "team-a/x"}, {run_id(1): OWN, run_id(2): OWN})
    scene = start(held(released, objects), HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT="1")
    body = json.dumps({"run_id": run_id(2)}).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with ThreadPoolExecutor(1) as pool, scene.gate.connect() as client:
        first = pool.submit(scene.post, LOG, {"run_id": run_id(1)})
        scene.upstream.wait_until(lambda: len(scene.upstream.requests) == 1)
        client.send(request_head("POST", LOG, bearer(scene.key), *fields) + body)

        client.reset()
        scene.gate.outcome(lambda line: line["path"] == LOG and line["reason"] == "client_gone")
        released.set()
        assert first.result().status == 200
    assert asked_of(scene.upstream)[RUN] == 1
