"""What the access log of a live gate says of the time of a request, and of what a refusal said.

Bounds are those that the test has seen itself: no machine is too slow for them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawClient, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import broken_off, fixed, gated_chunks, held, routed

READS = [f"/api/2.0/mlflow/runs/get?run_id={number}" for number in (1, 2)]
SEARCH = "/api/2.0/mlflow/experiments/search"
STREAM = "/get-artifact?path=a&run_uuid=1"
JSON = "Content-Type: application/json"
PAUSE = 0.2
CANARY = "canary-in-a-query"


class Scene(NamedTuple):
    """A gate in front of an MLflow that takes one request at a time, and what the two wait for."""

    gate: Gate
    key: str
    upstream: RecordingUpstream
    answers: threading.Event
    goes_on: threading.Event
    clients: ExitStack

    def connects(self) -> RawClient:
        return self.clients.enter_context(self.gate.connect())

    def sends(self, target: str, *fields: str) -> RawClient:
        client = self.connects()
        client.send(request_head("GET", target, bearer(self.key), *fields))
        return client

    def line(self, request_id: str) -> Mapping[str, Any]:
        """The line of a request."""
        return self.gate.outcome(lambda line: line["request_id"] == request_id)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("scene")
    key = create_key(folder / "data", "client")
    answers, goes_on, always = threading.Event(), threading.Event(), threading.Event()
    always.set()
    broken = [broken_off()]

    def breaks_once(exchange: Exchange) -> None:
        (broken.pop() if broken else fixed(b"{}", JSON))(exchange)

    script = routed(
        {
            **{each.encode(): held(answers, fixed(b"{}", JSON)) for each in READS},
            SEARCH.encode(): breaks_once,
            STREAM.encode(): gated_chunks([(always, b"first"), (goes_on, b"second")]),
        },
        fixed(b"{}", JSON),
    )
    settings = {"HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT": "1"}
    with (
        RecordingUpstream(script) as upstream,
        running_gate(folder, upstream.url, settings) as gate,
        ExitStack() as clients,
    ):
        gate.ask("GET", "/version", "X-Request-ID: where-time-goes-0", key=key)
        yield Scene(gate, key, upstream, answers, goes_on, clients)
        answers.set()
        goes_on.set()


def test_the_first_request_opens_a_connection(scene: Scene) -> None:
    line = scene.line("where-time-goes-0")
    assert 0 < line["connect_ms"] <= line["duration_ms"] - line["upstream_ms"]


def test_the_wait_for_room_and_the_wait_for_mlflow_are_told_apart(scene: Scene) -> None:
    first = scene.sends(READS[0], "X-Request-ID: where-time-goes-1")
    scene.upstream.wait_until(
        lambda: any(b"run_id=1 " in each.request_line for each in scene.upstream.requests)
    )
    second = scene.sends(READS[1], "X-Request-ID: where-time-goes-2")

    def is_queued() -> bool | None:
        page = scene.gate.ask("GET", "/-/metrics", key=scene.key).body.decode()
        return "\nheadgate_requests_queued 1\n" in page or None

    scene.gate.process.wait_until(is_queued, "the second request to wait", 30)
    began = time.monotonic()
    threading.Event().wait(PAUSE)
    waited = 1000 * (time.monotonic() - began)
    scene.answers.set()
    assert (first.response().status, second.response().status) == (200, 200)
    served, queued = scene.line("where-time-goes-1"), scene.line("where-time-goes-2")
    assert "queue_ms" not in served
    assert served["upstream_ms"] >= waited
    assert served["first_byte_ms"] >= waited
    assert queued["queue_ms"] >= waited
    assert queued["duration_ms"] >= queued["queue_ms"] + queued["upstream_ms"]
    for line in (served, queued):
        assert line["gate_ms"] < line["duration_ms"] - waited
        assert (line["source"], line["upstream"]) == ("mlflow", "default")


def test_the_first_byte_of_a_slow_response(scene: Scene) -> None:
    client = scene.sends(STREAM, "X-Request-ID: where-time-goes-3")
    assert client.response_head().status == 200
    assert client.chunk() == b"first"
    began = time.monotonic()
    threading.Event().wait(PAUSE)
    waited = 1000 * (time.monotonic() - began)
    scene.goes_on.set()
    assert (client.chunk(), client.chunk()) == (b"second", b"")
    line = scene.line("where-time-goes-3")
    assert 0 < line["first_byte_ms"] <= line["duration_ms"] - waited


def test_an_attempt_that_failed_is_named(scene: Scene) -> None:
    client = scene.sends(SEARCH, "X-Request-ID: where-time-goes-4")
    assert client.response().status == 200
    line = scene.line("where-time-goes-4")
    (failed,) = line["retries"]
    assert (failed["cause"], failed["endpoint"]) == ("reset", line["endpoint"])
    assert line["attempts"] == 2
    event = next(
        each
        for each in scene.gate.events()
        if each["event"] == "request_retried" and each["request_id"] == "where-time-goes-4"
    )
    assert (event["upstream"], event["cause"]) == ("default", "reset")


def test_what_a_malformed_request_looked_like_and_what_it_got(scene: Scene) -> None:
    client = scene.connects()
    client.send(f"GET /odd?key={CANARY} HTTP/1.1\r\nHost: a b\r\n\r\n".encode())
    response = client.response()
    line = scene.gate.outcome(lambda line: line.get("path") == "/odd")
    assert (line["method"], line["status"], line["source"]) == ("GET", response.status, "gate")
    assert line["message"] == json.loads(response.body)["message"]
    assert line["bytes_out"] == len(response.body)
    assert CANARY not in scene.gate.process.output.read_text(encoding="utf-8")
    assert CANARY not in scene.gate.process.errors.read_text(encoding="utf-8")


def test_what_the_gate_s_own_pages_refuse(scene: Scene) -> None:
    """They are no upstream, and their refusals have a sentence too."""
    response = scene.gate.ask(
        "GET", "/-/api/v1/keys/no-such-key", "X-Request-ID: where-time-goes-5", key=scene.key
    )
    line = scene.line("where-time-goes-5")
    assert response.status >= 400
    assert (line["status"], line["source"], line["endpoint"]) == (response.status, "gate", "")
    assert line["message"] == json.loads(response.body)["message"]
    assert "upstream" not in line
