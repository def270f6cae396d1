"""An MLflow that runs under a path of its own is spoken to as it wants, and nobody sees that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.mlflow_server import running_mlflow

PREFIX = "/tracking"
JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class Scene:
    """A gate before such a server, and a key that may do everything."""

    gate: Gate
    key: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("static-prefix")
    (folder / "data").mkdir()
    key = make_key(folder / "data", "admin", ["admin"])
    environment = {
        "HEADGATE_UPSTREAMS__DEFAULT__STATIC_PREFIX": PREFIX,
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1",
    }
    with (
        running_mlflow(folder, static_prefix=PREFIX) as server,
        running_gate(folder, server.url, environment) as gate,
    ):
        yield Scene(gate, key)


@pytest.mark.parametrize("prefix", ["", "/mlflow", "/api/mlflow"])
@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/", None),
        ("GET", "/version", None),
        ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}),
        ("POST", "/ajax-api/2.0/mlflow/experiments/search", {"max_results": 1}),
        ("GET", "/api/2.0/mlflow/registered-models/search?max_results=1", None),
        ("GET", "/api/3.0/mlflow/server-info", None),
    ],
)
def test_routes_of_every_family(
    scene: Scene, prefix: str, method: str, path: str, message: object
) -> None:
    body = b"" if message is None else json.dumps(message).encode()
    response = scene.gate.ask(method, prefix + path, JSON, key=scene.key, body=body)
    assert response.status == 200, response


def test_artifacts_come_back_as_they_went(scene: Scene) -> None:
    path = "/api/2.0/mlflow-artifacts/artifacts/0/two%20words.bin"
    content = bytes(range(256)) * 500
    assert scene.gate.ask("PUT", path, key=scene.key, body=content).status == 200
    assert scene.gate.ask("GET", path, key=scene.key).body == content
    assert scene.gate.ask("DELETE", path, key=scene.key).status in (200, 204)


def test_the_gate_itself_uses_each_api(scene: Scene) -> None:
    response = scene.gate.ask("GET", "/health/mlflow/detailed", key=scene.key)
    assert json.loads(response.body)["status"] == "ok", response


def test_no_response_shows_the_path(scene: Scene) -> None:
    response = scene.gate.ask("GET", "/api/2.0/mlflow//experiments", key=scene.key)
    assert PREFIX.encode() not in response.head + response.body
