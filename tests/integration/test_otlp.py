"""Traces and metrics of a live gate, as a real OTLP/HTTP receiver decodes them."""

from __future__ import annotations

import gzip
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.gate import running_gate
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import broken_off, fixed
from tests.support.traced_gate import CLIENT, ERROR, SERVER, Traced, traced
from tests.support.workers import serving_pid

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with traced(tmp_path_factory.mktemp("gate")) as running:
        yield running


def test_a_request_is_a_server_span_with_a_client_span(one: Traced) -> None:
    response = one.ask("probe/7", target="/api/2.0/mlflow/runs/get?run_id=1")
    assert response.status == 200
    server = one.span("probe/7")
    assert (server.name, server.kind) == ("GET /api/2.0/mlflow/runs/get", SERVER)
    assert server.parent_id == ""
    expected = {
        "http.request.method": "GET",
        "http.route": "/api/2.0/mlflow/runs/get",
        "http.response.status_code": 200,
        "url.path": "/api/2.0/mlflow/runs/get",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": one.gate.port,
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "headgate.family": "runs",
        "headgate.operation": "runs/get",
        "headgate.reason": "ok",
        "headgate.upstream": "default",
        "headgate.request_id": response.get("X-Request-ID"),
    }
    assert expected.items() <= server.attributes.items()
    assert "headgate.principal.id" not in server.attributes
    client = one.receiver.span(lambda each: each.parent_id == server.span_id)
    assert (client.kind, client.trace_id) == (CLIENT, server.trace_id)
    assert client.attributes["server.port"] == one.upstream.port
    assert "http.request.resend_count" not in client.attributes
    assert server.start <= client.start <= client.end <= server.end
    sent = one.upstream.requests[-1].all(b"traceparent")
    assert sent == [f"00-{client.trace_id}-{client.span_id}-01".encode()]


def test_a_failed_attempt_has_a_span_of_its_own(one: Traced) -> None:
    """Each attempt is what MLflow sees as the parent of its own part."""
    count = len(one.upstream.requests)
    one.upstream.scripts[:] = [*[fixed()] * count, broken_off(), fixed()]
    assert one.ask("twice/1", f"traceparent: 00-{TRACE}-{PARENT}-01").status == 200
    server = one.span("twice/1")
    assert (server.trace_id, server.parent_id) == (TRACE, PARENT)
    spans = one.receiver.trace(TRACE, 3)
    first, second = sorted((each for each in spans if each.kind == CLIENT), key=lambda s: s.start)
    assert first.attributes["error.type"] == "reset"
    assert first.status == ERROR
    assert "http.response.status_code" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    assert second.attributes["http.response.status_code"] == 200
    assert second.status == 0
    assert first.end <= second.start
    sent = [each.all(b"traceparent") for each in one.upstream.requests[count:]]
    assert sent == [[f"00-{TRACE}-{each.span_id}-01".encode()] for each in (first, second)]


def test_a_refusal_is_a_server_span_alone(one: Traced) -> None:
    """For a server a status below 500 is no error."""
    response = one.gate.ask("GET", "/version", "User-Agent: stranger/1")
    assert response.status == 401
    server = one.span("stranger/1")
    assert server.attributes["headgate.reason"] == "unauthenticated"
    assert server.attributes["http.response.status_code"] == 401
    assert server.status == 0
    assert "error.type" not in server.attributes


def test_no_secret_is_in_what_is_sent(one: Traced) -> None:
    canary = "hg_" + "c4n4ry" * 8
    target = f"/api/2.0/mlflow/runs/get?token={canary}&run_id={one.key}"
    one.ask(f"tool {one.key}", f"X-API-Key: {one.key}", f"Cookie: a={canary}", target=target)
    one.ask("path/1", target=f"/get-artifact/{one.key}")
    one.ask("last/1")
    one.span("last/1")
    one.receiver.wait_until(lambda: one.receiver.metrics)
    for request in one.receiver.requests:
        body = gzip.decompress(request.body)
        assert one.key.encode() not in body
        assert canary.encode() not in body
        assert b"run_id" not in body
        assert "authorization" not in request.headers


def test_metrics_are_exported_under_the_names_of_the_conventions(one: Traced) -> None:
    began = time.time_ns()
    one.ask("metrics/1")

    def is_mine(attributes: Mapping[str, object], point: object) -> bool:
        wanted = {"http.response.status_code": 200, "headgate.family": "meta"}
        return wanted.items() <= attributes.items()

    attributes, point = one.receiver.wait_for_points("http.server.request.duration", is_mine)
    assert attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "headgate.family": "meta",
        "url.scheme": "http",
    }
    assert point.count == sum(point.bucket_counts) >= 1
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert 0 < point.start_time_unix_nano < began
    attributes, _ = one.receiver.wait_for_points(
        "http.client.request.duration",
        lambda attributes, _: attributes.get("http.response.status_code") == 200,
    )
    assert attributes["server.port"] == one.upstream.port
    assert attributes["server.address"] == "127.0.0.1"
    _, point = one.receiver.wait_for_points(
        "headgate.requests",
        lambda labels, _: labels["family"] == "meta" and labels["reason"] == "ok",
    )
    assert point.as_int >= 1


def test_spans_and_metrics_are_of_one_instance(one: Traced) -> None:
    one.ask("resource/1")
    resource = one.span("resource/1").resource
    assert resource["service.name"] == "headgate"
    assert resource["service.version"]
    one.receiver.wait_until(lambda: one.receiver.metrics)
    of_metrics = one.receiver.metrics[-1].resource_metrics[0].resource
    assert {each.key: each.value.string_value for each in of_metrics.attributes} == resource


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A gate that traces what it must, and nothing else."""
    with traced(tmp_path_factory.mktemp("few"), traces__ratio="0") as running:
        yield running


def parent(trace_id: str, flags: str) -> str:
    return f"traceparent: 00-{trace_id}-{PARENT}-{flags}"


def test_the_parent_of_a_client_with_a_key_decides(few: Traced) -> None:
    few.ask("unsampled/1", parent("1" * 32, "00"))
    few.ask("root/1")
    few.ask("sampled/1", parent("2" * 32, "01"))
    found = few.spans_after("sampled/1")
    assert "sampled/1" in found
    assert not found & {"unsampled/1", "root/1"}
    flags = {
        each[3:35]: each[-2:]
        for request in few.upstream.requests
        for each in request.all(b"traceparent")
    }
    assert flags[b"1" * 32] == b"00"
    assert flags[b"2" * 32] == b"01"


def test_what_a_stranger_says_of_sampling_is_ignored(few: Traced) -> None:
    few.gate.ask("GET", "/version", "User-Agent: stranger/2", parent("3" * 32, "01"))
    few.ask("sampled/2", parent("4" * 32, "01"))
    assert "stranger/2" not in few.spans_after("sampled/2")


def test_a_failure_is_exported_whatever_is_sampled(few: Traced) -> None:
    count = len(few.upstream.requests)
    few.upstream.scripts[:] = [*[fixed()] * count, fixed(status=503), fixed()]
    assert few.ask("failed/1", parent("5" * 32, "00")).status == 503
    server = few.span("failed/1")
    assert server.status == ERROR
    assert server.attributes["error.type"] == "503"
    assert (server.trace_id, server.parent_id) == ("5" * 32, PARENT)
    few.ask("sampled/3", parent("6" * 32, "01"))
    few.span("sampled/3")
    spans = [each for each in few.receiver.spans if each.trace_id == "5" * 32]
    assert [each.kind for each in spans] == [SERVER]
    sent = few.upstream.requests[count].all(b"traceparent")
    assert [each[-2:] for each in sent] == [b"00"]


def test_what_waits_is_sent_when_the_gate_stops(tmp_path: Path) -> None:
    with traced(tmp_path) as running:
        running.ask("late/1")
        running.gate.process.signal(signal.SIGTERM)
        assert running.gate.process.wait(20) == 0
        running.span("late/1")
        running.receiver.wait_until(lambda: running.receiver.metrics)


def test_a_gate_that_exports_nothing_loads_nothing(tmp_path: Path) -> None:
    with RecordingUpstream(fixed()) as upstream, running_gate(tmp_path, upstream.url) as gate:
        assert gate.ask("GET", "/health").status == 200
        loaded = Path(f"/proc/{gate.process.pid}/maps").read_text()
        loaded += Path(f"/proc/{serving_pid(gate.process)}/maps").read_text()
    assert "uvloop" in loaded
    assert "_upb" not in loaded
