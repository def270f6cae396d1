"""Every family of MLflow's paths passes the gate, and comes back as MLflow gave it."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawResponse, chunked, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import gated_chunks, raw, response_bytes
from tests.support.world import World

PREFIXES = ("", "/mlflow", "/api/mlflow")
JSON = "Content-Type: application/json"
ARTIFACTS = "/2.0/mlflow-artifacts/artifacts"


class Case(NamedTuple):
    """A request, ``{...}`` standing for names of the ``world``, and MLflow's status for it."""

    method: str
    target: str
    status: int
    message: object = None


# Each below /api and below /ajax-api.
API_CASES = [
    Case("GET", "/2.0/mlflow/experiments/get?experiment_id={experiment_id}", 200),
    Case("GET", "/2.0/mlflow/experiments/get?experiment_id=no%2Fnumber%20this", 400),
    Case("GET", "/2.0/mlflow/experiments/get?experiment_id=987654321", 404),
    Case("POST", "/2.0/mlflow/runs/search", 200, {"experiment_ids": ["{experiment_id}"]}),
    Case("POST", "/2.0/mlflow/runs/search", 400, {"filter": "no filter at all"}),
    Case("GET", "/2.0/mlflow/registered-models/get?name={model}", 200),
    Case("DELETE", "/2.0/mlflow/registered-models/delete", 404, {"name": "no-such-model"}),
    Case("GET", "/3.0/mlflow/server-info", 200),
    Case(
        "POST",
        "/3.0/mlflow/traces/search",
        200,
        {"locations": [{"type": 1, "mlflow_experiment": {"experiment_id": "{experiment_id}"}}]},
    ),
    Case("GET", ARTIFACTS + "?path={experiment_id}%2F{run_id}%2Fartifacts", 200),
    Case("GET", ARTIFACTS + "/{artifact}", 200),
    Case("HEAD", ARTIFACTS + "/{artifact}", 200),
    Case("GET", ARTIFACTS + "/{artifact}.gone", 404),
    # A local store can do neither; what counts is that MLflow says so, not the gate.
    Case("POST", "/2.0/mlflow-artifacts/mpu/create/{artifact}", 501, {"path": "a", "num_parts": 1}),
    Case("GET", "/2.0/mlflow-artifacts/presigned/{artifact}", 501),
]
OTHER_CASES = [
    Case("GET", "/version", 200),
    Case("GET", "/", 200),
    Case("GET", "/static-files/favicon.ico", 200),
    Case("GET", "/static-files/no-such-file.js", 404),
    Case("GET", "/get-artifact?run_uuid={run_id}&path=notes%2Fone.txt", 200),
    Case("GET", "/model-versions/get-artifact?name={model}&version=1&path=one.txt", 200),
    Case(
        "POST",
        "/graphql",
        200,
        {"query": '{ mlflowGetRun(input: {runId: "{run_id}"}) { run { info { runName } } } }'},
    ),
    Case("POST", "/gateway/no-such-endpoint/mlflow/invocations", 404, {}),
]
CASES = [
    *(case._replace(target="/api" + case.target) for case in API_CASES),
    *(case._replace(target="/ajax-api" + case.target) for case in API_CASES),
    *OTHER_CASES,
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.target}")
def test_the_response_is_mlflows_own(
    prefix: str, case: Case, world: World, mlflow_server: MlflowServer, gate: Gate, admin_key: str
) -> None:
    """Status, headers and body are those that MLflow gives to the same request."""
    target = filled(case.target, world)
    body = b"" if case.message is None else filled(json.dumps(case.message), world).encode()
    fields = (JSON,) if body else ()
    # A HEAD is sent to MLflow as GET, or else its query would not count.
    method = "GET" if case.method == "HEAD" else case.method
    direct = mlflow_server.ask(method, target, *fields, body=body)
    passed = gate.ask(case.method, prefix + target, *fields, key=admin_key, body=body)
    assert direct.status == case.status, direct
    expected = b"" if case.method == "HEAD" else direct.body
    assert (passed.status, passed.body) == (direct.status, expected)
    told = kept_headers(direct)
    if "/static-files/" in target:  # the gate compresses them for clients that take it
        told = [(n, f"{v}, Accept-Encoding" if n == "vary" else v) for n, v in told]
    assert [(n.lower(), v) for n, v in kept_headers(passed)] == told
    assert passed.get("Content-Length") == direct.get("Content-Length")
    assert passed.get("Transfer-Encoding") == direct.get("Transfer-Encoding")


def filled(template: str, world: World) -> str:
    """Put the names of the world's things in the place of ``{experiment_id}`` and the like."""
    return re.sub(
        r"\{(experiment_id|run_id|artifact|model)\}", lambda name: getattr(world, name[1]), template
    )


def kept_headers(response: RawResponse) -> list[tuple[str, str]]:
    """The headers, in order, but those of the moment and of one hop; the gate hides ``Server``."""
    passing = {"date", "connection", "server", "x-mlflow-gateway-duration-ms", "x-request-id"}
    passing.add("content-security-policy")  # the gate's own, on artifacts: tests of the shields
    framing = {"content-length", "transfer-encoding"}  # written anew, so the place may differ
    skipped = passing | framing
    return [(name, value) for name, value in response.headers if name.lower() not in skipped]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("base", ["/api", "/ajax-api"])
def test_the_life_of_an_artifact(
    prefix: str, base: str, world: World, mlflow_server: MlflowServer, gate: Gate, key: str
) -> None:
    """PUT with a length and in chunks, GET whole and in part, HEAD, list and DELETE."""
    folder = f"{world.experiment_id}/{world.run_id}/artifacts/life"
    url = f"{prefix}{base}{ARTIFACTS}"
    content = bytes(range(256)) * 4096
    halves = content[: len(content) // 2], content[len(content) // 2 :]
    assert (
        gate.ask("PUT", f"{url}/{folder}/counted%20%C3%BC.bin", key=key, body=content).status == 200
    )
    with gate.connect() as client:
        head = request_head(
            "PUT", f"{url}/{folder}/chunked.bin", bearer(key), "Transfer-Encoding: chunked"
        )
        client.send(head + chunked(*halves))
        assert client.response().status == 200
    stored = mlflow_server.artifacts / folder
    assert (stored / "counted ü.bin").read_bytes() == content
    assert (stored / "chunked.bin").read_bytes() == content

    listed = gate.ask("GET", f"{url}?path={folder.replace('/', '%2F')}", key=key)
    files = [(file["path"], file["file_size"]) for file in json.loads(listed.body)["files"]]
    assert sorted(files) == [("chunked.bin", len(content)), ("counted ü.bin", len(content))]
    whole = gate.ask("GET", f"{url}/{folder}/chunked.bin", key=key)
    assert whole.body == content
    part = gate.ask("GET", f"{url}/{folder}/chunked.bin", "Range: bytes=10-19", key=key)
    assert (part.status, part.body) == (206, content[10:20])
    head_only = gate.ask("HEAD", f"{url}/{folder}/chunked.bin", key=key)
    assert (head_only.status, head_only.body) == (200, b"")

    for name in ("counted%20%C3%BC.bin", "chunked.bin"):
        assert gate.ask("DELETE", f"{url}/{folder}/{name}", key=key).status == 200
        assert gate.ask("GET", f"{url}/{folder}/{name}", key=key).status == 404


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_chunked_message_reaches_flask_whole(
    prefix: str, world: World, gate: Gate, key: str
) -> None:
    """MLflow's WSGI bridge drops chunked bodies in silence; behind the gate none arrives."""
    message = json.dumps({"experiment_ids": [world.experiment_id]}).encode()
    head = request_head(
        "POST",
        f"{prefix}/api/2.0/mlflow/runs/search",
        JSON,
        bearer(key),
        "Transfer-Encoding: chunked",
    )
    with gate.connect() as client:
        client.send(head + chunked(message[:5], message[5:]))
        response = client.response()
    assert [run["info"]["run_id"] for run in json.loads(response.body)["runs"]] == [world.run_id]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_otlp_trace(prefix: str, world: World, gate: Gate, key: str) -> None:
    span = {
        "traceId": "0" * 31 + "1",
        "spanId": "0" * 15 + "1",
        "name": "work",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    message = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    response = gate.ask(
        "POST",
        f"{prefix}/v1/traces",
        JSON,
        f"x-mlflow-experiment-id: {world.experiment_id}",
        key=key,
        body=json.dumps(message).encode(),
    )
    assert response.status == 200, response


@pytest.mark.parametrize("path", ["/no/such/path", "/api/4.0/mlflow/runs/get", "/mlflow/mlflow/"])
def test_a_path_that_is_none_of_mlflows_stops_at_the_gate(path: str, gate: Gate, key: str) -> None:
    response = gate.ask("GET", path, key=key)
    assert (response.status, response.get("X-Headgate-Reason")) == (404, "route_unknown")
    assert json.loads(response.body)["error_code"] == "ENDPOINT_NOT_FOUND"


def test_server_sent_events_pass_one_by_one(tmp_path: Path) -> None:
    """Each event of a model's response reaches the client before the next one exists."""
    first, second = threading.Event(), threading.Event()
    events = gated_chunks(
        [(first, b"data: 1\n\n"), (second, b"data: 2\n\n")], "Content-Type: text/event-stream"
    )
    key = create_key(tmp_path / "data", "events", ("llm-user",))
    target = "/mlflow/gateway/chat/mlflow/invocations"
    request = request_head("POST", target, bearer(key), JSON, "Content-Length: 2") + b"{}"
    with (
        RecordingUpstream(events) as upstream,
        running_gate(tmp_path, upstream.url) as gate,
        gate.connect() as client,
    ):
        client.send(request)
        first.set()
        assert client.response_head().get("Content-Type") == "text/event-stream"
        assert client.chunk() == b"data: 1\n\n"
        second.set()
        assert client.chunk() == b"data: 2\n\n"
        assert client.chunk() == b""


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_redirect_never_shows_the_internal_address(prefix: str, tmp_path: Path) -> None:
    """A ``Location`` at the upstream names the gate and the prefix the client came by."""
    key = create_key(tmp_path / "data", "redirects")
    with RecordingUpstream() as upstream, running_gate(tmp_path, upstream.url) as gate:
        inside = response_bytes(b"", f"Location: {upstream.url}/version?a=1", status=302)
        upstream.scripts.append(raw(inside))
        response = gate.ask("GET", f"{prefix}/", key=key)
    assert response.get("Location") in {f"{gate.url}{prefix}/version?a=1", f"{prefix}/version?a=1"}
    assert str(upstream.port).encode() not in response.head + response.body
