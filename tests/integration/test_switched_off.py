"""Parts of MLflow that are switched off: the client hears MLflow's own words, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.raw import RawResponse

JSON = "Content-Type: application/json"
SEARCH = "/api/2.0/mlflow/experiments/search"


def message(response: RawResponse) -> str:
    told = json.loads(response.body)
    assert response.get("Content-Type") == "application/json"
    assert told["error_code"] == "TEMPORARILY_UNAVAILABLE"
    text: str = told["message"]
    return text


def test_workspaces(gate: Gate, key: str, mlflow_server: MlflowServer) -> None:
    """Clients that know workspaces ask any server for them."""
    target = "/api/3.0/mlflow/workspaces"
    bare, told = mlflow_server.ask("GET", target), gate.ask("GET", target, key=key)
    assert (bare.get("Content-Type") or "").startswith("text/html")
    assert (told.status, message(told)) == (bare.status, bare.body.decode())
    assert "--enable-workspaces" in message(told)


@pytest.fixture(scope="module", params=["--artifacts-only", "--no-serve-artifacts"])
def partial(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, MlflowServer, Gate, str]]:
    """A server with one of the switches, a gate before it, and the key of an administrator."""
    folder = tmp_path_factory.mktemp("partial")
    (folder / "data").mkdir()
    key = make_key(folder / "data", "admin", ["admin"])
    with (
        running_mlflow(folder, options=(request.param,)) as server,
        running_gate(folder, server.url) as gate,
    ):
        yield request.param, server, gate, key


def test_a_server_of_a_part(partial: tuple[str, MlflowServer, Gate, str]) -> None:
    switch, server, gate, key = partial
    artifacts = switch == "--artifacts-only"
    method, target = (
        ("POST", SEARCH) if artifacts else ("GET", "/api/2.0/mlflow-artifacts/artifacts")
    )
    body = b'{"max_results": 1}' if artifacts else b""
    bare = server.ask(method, target, JSON, body=body)
    told = gate.ask(method, target, JSON, key=key, body=body)
    assert bare.status == told.status == 503
    assert message(told) == bare.body.decode()
    assert switch in message(told)


def test_health_of_a_server_of_a_part(partial: tuple[str, MlflowServer, Gate, str]) -> None:
    """What MLflow was configured to leave out is no failure, and the endpoint stays in service."""
    switch, _, gate, key = partial
    for _ in range(12):  # more failures in a row than an endpoint may have
        gate.ask("GET", "/api/2.0/mlflow-artifacts/artifacts", key=key)
        gate.ask("POST", SEARCH, JSON, key=key, body=b'{"max_results": 1}')
    left_out = ("experiments", "models", "traces")
    for api in ("experiments", "models", "traces", "artifacts", "artifacts?deep=1"):
        health = gate.ask("GET", f"/-/health/{api}", key=key)
        assert health.status == 200, health.body
        is_out = (api in left_out) is (switch == "--artifacts-only")
        assert (f"not served by this MLflow ({switch})" in health.body.decode()) is is_out
    assert gate.ask("GET", "/version", key=key).status == 200
