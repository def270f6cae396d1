"""Trace exports through the gate, with a real MLflow behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.rpc import code_pb2, status_pb2

from tests.support.client import run_client
from tests.support.gate import Gate, running_gate
from tests.support.keys import make_keys
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import python_with
from tests.support.otlp import PROTOBUF, Way, new_trace, protobuf, ways
from tests.support.raw import RawClient, RawResponse

EXPORT = "/v1/traces"
SETTINGS = """
[roles.team-a]
grants = ["*:* on experiment exports-a", "read:meta"]

[roles.exporter]
grants = ["write:traces on experiment exports-a"]
"""
LOCATION = {"mlflow.traceTag.mlflow.artifactLocation": "/etc"}


@dataclass(frozen=True)
class World:
    """A gate before an MLflow with two experiments, of which the narrowed keys may use the first.

    ``run`` lies in the other one.
    """

    gate: Gate
    mlflow: MlflowServer
    keys: dict[str, str]
    own: str
    other: str
    run: str

    def export(
        self, way: Way, key: str = "narrowed", experiment: str = "", *fields: str
    ) -> RawResponse:
        head = (*way.fields, f"x-mlflow-experiment-id: {experiment or self.own}", *fields)
        return self.gate.ask("POST", EXPORT, *head, key=self.keys[key], body=way.body)

    def seed(self, experiment: str) -> str:
        """Make a trace straight in MLflow."""
        trace = new_trace()
        head = (PROTOBUF, f"x-mlflow-experiment-id: {experiment}")
        assert self.mlflow.ask("POST", EXPORT, *head, body=protobuf(trace)).status == 200
        return trace

    def info(self, trace: str) -> dict[str, Any] | None:
        """What MLflow knows of a trace, if it has it."""
        response = self.mlflow.ask("GET", f"/api/3.0/mlflow/traces/tr-{trace}")
        if response.status == 404:
            return None
        found: dict[str, Any] = json.loads(response.body)["trace"]["trace_info"]
        return found

    def spans(self, trace: str) -> int:
        target = f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace}"
        return len(json.loads(self.mlflow.ask("GET", target).body)["trace"]["spans"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("exports")
    settings = folder / "headgate.toml"
    settings.write_text(SETTINGS)
    (folder / "data").mkdir()
    roles = {"admin": ("admin",), "narrowed": ("team-a",), "exporter": ("exporter",)}
    keys = make_keys(folder / "data", roles)

    def made(name: str) -> str:
        created = mlflow_server.call("POST", "2.0/mlflow/experiments/create", {"name": name})
        return str(created["experiment_id"])

    own, other = made("exports-a"), made("exports-b")
    run = mlflow_server.call("POST", "2.0/mlflow/runs/create", {"experiment_id": other})
    with running_gate(folder, mlflow_server.url, {"HEADGATE_CONFIG": str(settings)}) as gate:
        yield World(gate, mlflow_server, keys, own, other, run["run"]["info"]["run_id"])


def names(each: Way) -> str:
    return each.name


COUNT = len(ways(new_trace(), {}))


@pytest.mark.parametrize("key", ["admin", "narrowed", "exporter"])
@pytest.mark.parametrize("at", range(COUNT))
def test_an_export_arrives_in_every_form(at: int, key: str, world: World) -> None:
    """A text that names a location, and the name of a tag alike, are nobody's concern."""
    harmless = {
        "mlflow.traceTag.reviewed": "yes",
        "note": "mlflow.artifactLocation",
        "code": "\n'mlflow.traceTag.mlflow.artifactLocation'",
        "mlflow.artifactLocation.of": "x",
    }
    trace = new_trace()
    way = ways(trace, harmless)[at]
    response = world.export(way, key)
    assert response.status == 200, (way.name, response)
    info = world.info(trace)
    assert info is not None
    assert info["tags"]["reviewed"] == "yes"


@pytest.mark.parametrize("key", ["admin", "narrowed"])
@pytest.mark.parametrize(
    "attributes",
    [
        LOCATION,
        {"mlflow.traceTag.mlflow.trace.spansLocation": "ARCHIVE_REPO"},
        {"mlflow.traceTag.mlflow.trace.archiveLocation": "file:///etc"},
        {"mlflow.traceTag.MLflow.ArtifactLocation ": "/etc"},
    ],
)
@pytest.mark.parametrize("at", range(COUNT))
def test_no_export_says_where_a_trace_lies(
    at: int, attributes: dict[str, str], key: str, world: World
) -> None:
    trace = new_trace()
    way = ways(trace, attributes)[at]
    response = world.export(way, key)
    assert response.status == 403, (way.name, response)
    assert b"stored-location" in response.body
    assert world.info(trace) is None


def test_mlflow_itself_would_store_it(world: World) -> None:
    for way in ways(trace := new_trace(), LOCATION):
        head = (*way.fields, f"x-mlflow-experiment-id: {world.own}")
        assert world.mlflow.ask("POST", EXPORT, *head, body=way.body).status == 200, way.name
        info = world.info(trace)
        assert info is not None
        assert info["tags"]["mlflow.artifactLocation"] == "/etc"


@pytest.mark.parametrize("at", range(COUNT))
def test_nobody_adds_to_anothers_trace(at: int, world: World) -> None:
    """MLflow adds spans to a trace by its id, whatever experiment the head names."""
    trace = world.seed(world.other)
    way = ways(trace, {})[at]
    response = world.export(way, "narrowed")
    assert response.status == 403, way.name
    assert world.spans(trace) == 1
    assert world.export(way, "admin").status == 200
    assert world.spans(trace) == 2


def test_a_link_to_anothers_run_is_refused(world: World) -> None:
    way = Way("", (PROTOBUF,), protobuf(new_trace()))
    assert world.export(way, "narrowed", "", f"x-mlflow-run-id: {world.run}").status == 403
    for name in ("mlflow.sourceRun", "mlflow.traceTag.mlflow.sourceRun"):
        body = protobuf(new_trace(), attributes={name: world.run})
        assert world.export(Way("", (PROTOBUF,), body), "narrowed").status == 403
        assert world.export(Way("", (PROTOBUF,), body), "admin").status == 200


def test_one_export_names_at_most_100_traces(world: World) -> None:
    traces = [new_trace() for _ in range(100)]
    own = world.seed(world.own)
    many = protobuf(*traces[:97], own)
    assert world.export(Way("", (PROTOBUF,), many), "narrowed").status == 200
    response = world.export(Way("", (PROTOBUF,), protobuf(*traces, own)), "narrowed")
    assert response.status == 403
    assert b"100" in response.body
    hidden = protobuf(*traces[:50], world.seed(world.other), *traces[50:97])
    assert world.export(Way("", (PROTOBUF,), hidden), "narrowed").status == 403


# --- what streams ----------------------------------------------------------------------------


def begin(client: RawClient, framing: str, key: str, experiment: str) -> None:
    head = [
        f"POST {EXPORT} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {key}",
        PROTOBUF,
        f"x-mlflow-experiment-id: {experiment}",
        framing,
    ]
    client.send("\r\n".join([*head, "", ""]).encode())


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@pytest.mark.parametrize("chunked", [False, True])
def test_mlflow_does_nothing_with_a_part_of_a_body(chunked: bool, world: World) -> None:
    """Not even if the part is a whole message: the end of the body has not come."""
    trace = new_trace()
    body = protobuf(trace)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body) + 1}"
    with RawClient(world.mlflow.host, world.mlflow.port) as client:
        begin(client, framing, "none", world.own)
        client.send(chunk(body) if chunked else body)
    for _ in range(5):  # later requests on other connections are served meanwhile
        assert world.info(trace) is None


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [40, 300_000])
def test_a_location_that_comes_late_is_never_executed(
    chunked: bool, size: int, world: World
) -> None:
    """What came before it is sent to MLflow already, and is broken off."""
    trace = new_trace()
    body = protobuf(trace, padding=size) + protobuf(trace, attributes=LOCATION)
    at = body.index(b"mlflow.traceTag") + 20
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    with world.gate.connect() as client:
        begin(client, framing, world.keys["admin"], world.own)
        for piece in (body[: at - 30], body[at - 30 : at], body[at:-1], body[-1:]):
            client.send(chunk(piece) if chunked else piece)
        if chunked:
            client.send(b"0\r\n\r\n")
        response = client.response("POST")
    assert response.status == 403, response
    assert world.info(trace) is None
    outcome = world.gate.outcome(lambda each: each["request_id"] == response.get("X-Request-ID"))
    assert outcome["reason"] == "forbidden"


def test_a_long_export_still_streams(world: World) -> None:
    """It passes before its end has come: more than the gate would collect."""
    trace = new_trace()
    body = protobuf(trace, padding=20 * 1024 * 1024)
    response = world.export(Way("", (PROTOBUF,), body), "admin")
    assert response.status == 200, response
    assert world.spans(trace) == 2


# --- real clients ----------------------------------------------------------------------------

WITH_MLFLOW = """
import sys, mlflow
mlflow.set_experiment(experiment_id=sys.argv[1])
with mlflow.start_span("outer") as span:
    span.set_inputs({"question": "mlflow.artifactLocation?"})
    mlflow.update_current_trace(tags={"reviewed": "yes"})
    with mlflow.start_span("inner"):
        pass
mlflow.flush_trace_async_logging()
print(span.trace_id)
"""
WITH_OTEL = """
import sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider(resource=Resource.create({"service.name": "test"}))
exporter = OTLPSpanExporter(compression=Compression(sys.argv[2]))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("test")
with tracer.start_as_current_span("outer") as span:
    span.set_attribute("question", "mlflow.artifactLocation")
    with tracer.start_as_current_span("inner"):
        pass
assert provider.force_flush()
provider.shutdown()
print("tr-" + format(span.get_span_context().trace_id, "032x"))
"""


def check_client(done: Any, world: World) -> None:
    assert done.returncode == 0, done.stderr
    trace = done.stdout.splitlines()[-1].removeprefix("tr-")
    info = world.info(trace)
    assert info is not None, done.stderr
    assert info["trace_location"]["mlflow_experiment"]["experiment_id"] == world.own
    assert world.spans(trace) == 2, done.stderr


def test_mlflows_client_traces_into_its_own_experiment(world: World) -> None:
    environment = {"MLFLOW_TRACKING_TOKEN": world.keys["narrowed"]}
    check_client(run_client(WITH_MLFLOW, world.gate.url, environment, world.own), world)


@pytest.mark.parametrize("key", ["admin", "exporter"])
@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_opentelemetrys_exporter_works(compression: str, key: str, world: World) -> None:
    fields = f"Authorization=Bearer%20{world.keys[key]},x-mlflow-experiment-id={world.own}"
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": world.gate.url,
        "OTEL_EXPORTER_OTLP_HEADERS": fields,
    }
    check_client(run_client(WITH_OTEL, world.gate.url, environment, world.own, compression), world)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [EXPORT, f"/mlflow{EXPORT}", f"{EXPORT}?x=1"])
def test_a_refusal_is_a_status_in_the_encoding_of_the_request(target: str, world: World) -> None:
    response = world.gate.ask("POST", target, PROTOBUF, body=protobuf(new_trace()))
    assert (response.status, response.get("Content-Type")) == (401, "application/x-protobuf")
    status = status_pb2.Status.FromString(response.body)
    assert status.code == code_pb2.UNAUTHENTICATED
    assert "OTEL_EXPORTER_OTLP_HEADERS" in status.message
    assert response.get("WWW-Authenticate")
    json_type = "Content-Type: application/json"
    response = world.gate.ask("POST", target, json_type, body=b"{}")
    assert (response.status, response.get("Content-Type")) == (401, "application/json")
    told = json.loads(response.body)
    assert told["code"] == code_pb2.UNAUTHENTICATED
    assert "OTEL_EXPORTER_OTLP_HEADERS" in told["message"]
    denied = world.export(Way("", (PROTOBUF,), protobuf(new_trace())), "narrowed", world.other)
    assert denied.status == 403
    status = status_pb2.Status.FromString(denied.body)
    assert status.code == code_pb2.PERMISSION_DENIED
    assert "exports-a" in status.message
    wrong = world.export(Way("", ("Content-Type: text/plain",), b"x"), "admin")
    assert wrong.status == 400
    assert b"application/x-protobuf or application/json" in wrong.body


@pytest.mark.parametrize("version", ["3.9.0", "3.10.1"])
def test_older_clients_trace_into_their_own_experiment(version: str, world: World) -> None:
    environment = {"MLFLOW_TRACKING_TOKEN": world.keys["narrowed"]}
    python = python_with(version)
    done = run_client(WITH_MLFLOW, world.gate.url, environment, world.own, python=python)
    check_client(done, world)
