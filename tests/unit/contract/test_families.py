"""The contract knows every route of the real MLflow server, and how each takes its body."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from headgate.contract import classify
from headgate.model import BodyHandling, Operation, Retry

# Rules that MLflow registers by mistake (no slash after 2.0); they answer 501 and have no client.
BOGUS = {
    "/api/2.0mlflow/experiments/search-datasets",
    "/ajax-api/2.0mlflow/experiments/search-datasets",
}
WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
PREFIXES = ("/api", "/ajax-api")


class Route(NamedTuple):
    """One method on the paths that match ``pattern``, of which ``path`` is one."""

    pattern: str
    path: str
    method: str

    @property
    def operation(self) -> Operation | None:
        return classify(self.method.encode(), self.path.encode())


class Routes(NamedTuple):
    """What Flask serves, and what FastAPI serves before Flask is asked."""

    flask: list[Route]
    native: list[Route]


@pytest.fixture(scope="module")
def routes() -> Routes:
    """The routes of the installed MLflow."""
    printed = subprocess.run(
        [sys.executable, Path(__file__).with_name("print_mlflow_routes.py")],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        check=True,
        capture_output=True,
        text=True,
    )
    tables = json.loads(printed.stdout)
    flask, native = (
        [
            Route(pattern, path, method)
            for pattern, path, methods in tables[table]
            for method in methods
            if method != "OPTIONS"
        ]
        for table in ("flask", "native")
    )
    taken = {(route.method, route.pattern) for route in native}
    shadowed = [
        route
        for route in flask
        if any(method == route.method and re.match(its, route.path) for method, its in taken)
    ]
    return Routes([route for route in flask if route not in shadowed], native)


def test_the_tables_are_whole(routes: Routes) -> None:
    """A walk that finds nothing would let every other test pass."""
    assert len(routes.flask) > 400
    assert len(routes.native) > 75
    assert len({route.path.split("/")[1] for route in routes.native}) > 4


def test_every_route_is_classified(routes: Routes) -> None:
    unknown = {route.path for route in (*routes.flask, *routes.native) if not route.operation}
    assert unknown == BOGUS


def test_what_flask_serves_gets_a_length(routes: Routes) -> None:
    """Its WSGI bridge drops chunked bodies in silence."""
    assert [
        (route.method, route.path)
        for route in routes.flask
        if route.method in WITH_BODY
        and route.operation
        and route.operation.body is not BodyHandling.LENGTH
    ] == []


def test_what_fastapi_serves_is_streamed(routes: Routes) -> None:
    """Collecting it would hold uploads and hinder server-sent events."""
    assert [
        (route.method, route.path)
        for route in routes.native
        if route.method in WITH_BODY
        and route.operation
        and route.operation.body is not BodyHandling.STREAM
    ] == []


# Repeated by MLflow's own client after an answer was lost: mlflow.utils.rest_utils of 3.18.0
# (_RETRY_SAFE_POST_RESPONSES), and experiments/search-datasets, a read of the page.
SAFE_POSTS = {
    "/2.0/mlflow/experiments/search",
    "/2.0/mlflow/experiments/search-datasets",
    "/2.0/mlflow/experiments/set-experiment-tag",
    "/2.0/mlflow/runs/search",
    "/2.0/mlflow/runs/log-metric",
    "/2.0/mlflow/runs/log-batch",
    "/2.0/mlflow/runs/log-parameter",
    "/2.0/mlflow/runs/set-tag",
    "/2.0/mlflow/runs/update",
    "/2.0/mlflow/runs/delete",
    "/2.0/mlflow/runs/restore",
    "/2.0/mlflow/logged-models/search",
    "/2.0/mlflow/model-versions/set-tag",
    "/2.0/mlflow/registered-models/set-tag",
    "/2.0/mlflow/registered-models/alias",
    "/2.0/mlflow/registered-models/get-latest-versions",
    "/3.0/mlflow/traces",
    "/3.0/mlflow/traces/search",
    "/3.0/mlflow/traces/metrics",
    "/3.0/mlflow/traces/calculate-filter-correlation",
    "/3.0/mlflow/traces/batchGetInfos",
    "/3.0/mlflow/datasets/search",
    "/3.0/mlflow/issues/search",
    "/3.0/mlflow/prompt-optimization/jobs/search",
}


def test_what_may_be_sent_twice(routes: Routes) -> None:
    """Of all that MLflow serves: reads, and the writes that MLflow's own client repeats."""
    repeated = {
        (route.method, route.path.removeprefix("/ajax-api").removeprefix("/api"))
        for route in (*routes.flask, *routes.native)
        if route.operation and route.operation.retry is Retry.SAFE
    }
    assert {path for method, path in repeated if method == "POST"} == SAFE_POSTS
    assert {method for method, _ in repeated} == {"GET", "HEAD", "POST"}


def test_a_route_is_the_same_below_both_prefixes(routes: Routes) -> None:
    """The page calls /ajax-api for what the client calls /api for."""
    for route in (*routes.flask, *routes.native):
        area, _, rest = route.path[1:].partition("/")
        if area == "api":
            mirrored = classify(route.method.encode(), f"/ajax-api/{rest}".encode())
            assert mirrored is route.operation


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/", "ui"),
        ("/static-files/static/js/main.js", "ui"),
        ("/api/2.0/mlflow/experiments/get", "experiments"),
        ("/api/2.0/mlflow/runs/get", "runs"),
        ("/api/2.0/mlflow/metrics/get-history", "metrics"),
        ("/api/2.0/mlflow/registered-models/get", "models"),
        ("/api/2.0/mlflow/model-versions/search", "models"),
        ("/api/2.0/mlflow/logged-models/m-1", "logged-models"),
        ("/api/2.0/mlflow/artifacts/list", "artifacts"),
        ("/api/2.0/mlflow-artifacts/artifacts", "artifacts"),
        ("/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/a%20b", "artifacts"),
        ("/get-artifact", "artifacts"),
        ("/api/3.0/mlflow/traces/tr-1", "traces"),
        ("/v1/traces", "traces"),
        ("/api/3.0/mlflow/mcp-servers", "prompts"),
        ("/gateway/mlflow/v1/models", "ai-gateway"),
        ("/ajax-api/3.0/jobs/1", "jobs"),
        ("/ajax-api/3.0/mlflow/jobs/1", "jobs"),
        ("/ajax-api/3.0/mlflow/assistant/config", "assistant"),
        ("/api/2.0/mlflow/users/get", "auth-admin"),
        ("/health", "meta"),
        ("/-/livez", "gate"),
    ],
)
def test_families(path: str, family: str) -> None:
    operation = classify(b"GET", path.encode())
    assert operation is not None
    assert operation.family == family


@pytest.mark.parametrize(
    "path",
    [
        *("/api", "/api/", "/api/2.0", "/api/2.0/", "/api/2.0/mlflow", "/api/2.0/mlflow/"),
        *("/api/1.0/mlflow/runs/get", "/api/4.0/mlflow/runs/get", "/api/2.0/other/runs/get"),
        *("/api/2.0/mlflow/Runs/get", "/API/2.0/mlflow/runs/get", "/api/2.0/mlflow/run"),
        *("/api/2.0/mlflow/runs%20/get", "/api/2.0/mlflow-artifacts", "/api/2.0/mlflow-artifacts/"),
        *("/api/2.0mlflow/runs/get", "/version/", "/health/x", "/graphql/", "/v1/traces/x", "/v1"),
        *(
            "/static-files",
            "/gateway",
            "/metrics",
            "/signup",
            "/x",
            "/mlflow/",
            "/-",
            "/-/",
            "/-/x",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_paths(path: str, method: str) -> None:
    assert classify(method.encode(), path.encode()) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_gates_own_pages_are_only_read(method: str) -> None:
    assert classify(method.encode(), b"/-/livez") is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/2.0/mlflow-artifacts/artifacts/1/a", BodyHandling.STREAM),
        ("DELETE", "/2.0/mlflow-artifacts/artifacts/1/a", BodyHandling.LENGTH),
        ("POST", "/2.0/mlflow-artifacts/mpu/create/1/a", BodyHandling.LENGTH),
        ("PUT", "/2.0/mlflow-artifacts/artifacts", BodyHandling.LENGTH),
    ],
)
def test_artifact_bodies(method: str, path: str, body: BodyHandling) -> None:
    for prefix in PREFIXES:
        operation = classify(method.encode(), (prefix + path).encode())
        assert operation is not None
        assert operation.body is body


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/traces", "/ajax-api/2.0/mlflow/traces"])
def test_a_trace_of_the_old_kind_is_not_sent_twice(path: str) -> None:
    """StartTrace of 2.0 makes a new trace each time; only that of 3.0 brings its id along."""
    operation = classify(b"POST", path.encode())
    assert operation is not None
    assert operation.retry is Retry.NEVER
