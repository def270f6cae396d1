"""Every response that the gate itself made says in `X-Headgate-Reason` why it is as it is."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headgate.reasons import Reason
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, raw, response_bytes, routed

REASONS = {reason.value for reason in Reason}
HTML = "Accept: text/html"
MODELS = b"/api/2.0/mlflow/registered-models/search?max_results=1"


def reason_of(response: RawResponse) -> str | None:
    """The one reason that the response bears."""
    found = response.all("X-Headgate-Reason")
    assert len(found) <= 1
    return found[0] if found else None


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, str]]:
    """A gate in front of an upstream that answers everything, but for models."""
    folder = tmp_path_factory.mktemp("well")
    routes = {
        MODELS: raw(response_bytes(b'{"message": "no store"}', status=500)),
        b"/version": fixed(b"3.17.2", "X-Headgate-Reason: internal"),
    }
    key = create_key(folder / "data", "reasons")
    with (
        RecordingUpstream(routed(routes, fixed())) as upstream,
        running_gate(folder, upstream.url) as gate,
    ):
        yield gate, key


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "known", "status", "reason"),
    [
        ("/-/livez", False, 200, "ok"),
        ("/health", False, 200, "ok"),
        ("/health", True, 200, "ok"),
        ("/mlflow/health", False, 200, "ok"),
        ("/api/mlflow/health", False, 200, "ok"),
        ("/-/readyz", False, 200, "ok"),
        ("/-/metrics", True, 200, "ok"),
        ("/-/metrics", False, 401, "unauthenticated"),
        ("/-/health", False, 200, "ok"),
        ("/-/health", True, 200, "ok"),
        ("/health/mlflow", False, 200, "ok"),
        ("/api/mlflow/health/mlflow/detailed", True, 200, "ok"),
        ("/-/health/experiments", False, 200, "ok"),
        ("/-/health/models", False, 503, "upstream_error"),
        ("/-/health/models", True, 503, "upstream_error"),
        ("/-/health/nothing", False, 404, "route_unknown"),
        ("/-/health/artifacts?deep=1", False, 401, "unauthenticated"),
        ("/-/nothing", True, 404, "route_unknown"),
        ("/-/", True, 404, "route_unknown"),
        ("/mlflow", True, 308, "ok"),
        ("//api", True, 400, "request_ambiguous"),
    ],
)
def test_responses_of_a_gate_that_is_well(
    well: tuple[Gate, str], method: str, target: str, known: bool, status: int, reason: str
) -> None:
    gate, key = well
    response = gate.ask(method, target, HTML, key=key if known else None)
    assert (response.status, reason_of(response)) == (status, reason)
    outcome = gate.outcome(lambda each: each["request_id"] == response.get("X-Request-ID"))
    assert outcome["path"] == target.partition("?")[0]
    assert (outcome["status"], outcome["reason"]) == (status, reason)
    assert (response.get("WWW-Authenticate") is not None) == (status == 401)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_pages_are_only_read(well: tuple[Gate, str], method: str) -> None:
    gate, key = well
    for path in ("/-/livez", "/-/health", "/-/health/artifacts", "/health/mlflow", "/-/other"):
        known_path = path != "/-/other"
        for known, status in ((True, 405 if known_path else 404), (False, 401)):
            response = gate.ask(method, path, key=key if known else None)
            assert (response.status, reason_of(response) in REASONS) == (status, True)
            assert response.get("Allow") == ("GET, HEAD" if status == 405 else None)


def test_a_response_of_mlflow_bears_none(well: tuple[Gate, str]) -> None:
    """Not even one that it claims."""
    gate, key = well
    assert reason_of(gate.ask("GET", "/version", key=key)) is None


def test_health_says_as_mlflow_does_that_the_gate_lives(stack: ExitStack, tmp_path: Path) -> None:
    """Whatever becomes of MLflow: a balancer that asked for more would take every gate away."""
    gate = stack.enter_context(running_gate(tmp_path, "http://mlflow.lost.invalid:5000"))
    for path in ("/health", "/mlflow/health", "/api/mlflow/health"):
        response = gate.ask("GET", path)
        assert (response.status, response.body) == (200, b"OK")
        assert response.get("Content-Type") == "text/plain; charset=utf-8"
        assert response.get("Cache-Control") == "no-store"
        assert gate.ask("GET", f"{path}/", key=None).status == 401
        assert gate.ask("POST", path, key=None).status == 401


def test_a_gate_without_an_endpoint_says_so(stack: ExitStack, tmp_path: Path) -> None:
    gate = stack.enter_context(running_gate(tmp_path, "http://mlflow.lost.invalid:5000"))
    for path in ("/-/readyz", "/-/health", "/-/health/traces", "/health/mlflow/detailed"):
        response = gate.ask("GET", path)
        assert (response.status, reason_of(response)) == (503, "no_endpoint")
        assert response.get("Retry-After") is not None
    assert reason_of(gate.ask("GET", "/-/livez")) == "ok"


def test_a_check_that_fails_bears_the_reason_of_the_failure(
    stack: ExitStack, tmp_path: Path
) -> None:
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))  # the port is taken, and nothing listens there
    gate = stack.enter_context(
        running_gate(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
    )
    for path in ("/-/health/models", "/mlflow/health/mlflow/detailed"):
        response = gate.ask("GET", path)
        assert (response.status, reason_of(response)) == (503, "upstream_connect")


def test_a_draining_gate_says_so(stack: ExitStack, tmp_path: Path) -> None:
    upstream = stack.enter_context(RecordingUpstream(fixed()))
    settings = {"HEADGATE_LISTEN__LAME_DUCK": "20"}
    gate = stack.enter_context(running_gate(tmp_path, upstream.url, settings))
    gate.process.signal(signal.SIGTERM)
    gate.process.wait_until(
        lambda: reason_of(gate.ask("GET", "/-/readyz")) == "draining" or None, "the drain", 10
    )
    gate.process.signal(signal.SIGTERM)  # no lame duck is waited for


def test_bytes_that_are_no_request_are_answered_with_a_reason(well: tuple[Gate, str]) -> None:
    gate, key = well
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET /version HTTP/1.1\r\n\r\n",
        f"POST /version HTTP/1.1\r\nHost: a\r\n{bearer(key)}\r\nContent-Length: x\r\n\r\n".encode(),
    ):
        with gate.connect() as client:
            client.send(sent)
            assert reason_of(client.response()) in REASONS
