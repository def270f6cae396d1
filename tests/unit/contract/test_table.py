"""A request is what MLflow would execute for it, however it is spelled."""

from __future__ import annotations

import re

import pytest

from headgate.contract import classify, table
from headgate.contract.rules import parse
from headgate.contract.snapshots import SnapshotRoute
from headgate.contract.table import MOUNTS, Table
from headgate.model import REQUEST_CLASSES, Action, BodyHandling, Operation, Place, Retry

PREFIXES = ("/api", "/ajax-api")
ROWS = table().rows
FILE = "1/0123/artifacts/a%20b"


def known(method: str, path: str) -> Operation:
    operation = classify(method.encode(), path.encode())
    assert operation is not None, (method, path)
    return operation


def test_all_places_of_a_route_are_one_operation() -> None:
    """The page calls /ajax-api for what the client calls /api for; 2.0 or 3.0 is no way round."""
    for row in ROWS:
        if row.operation.mounts:
            path = re.sub(r"{\w+(:path)?}", "x", row.operation.path)
            places = row.operation.mounts
            found = {known(row.method, f"{place}/{path}").name for place in places}
            assert found == {row.operation.name}


def test_head_is_what_get_is() -> None:
    for row in ROWS:
        if row.method == "GET":
            path = (
                row.paths[0].replace("{artifact_path:path}", "x").replace("{", "").replace("}", "")
            )
            assert known("HEAD", path) is known("GET", path)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", ""])
def test_no_other_method_is_anything(method: str) -> None:
    for row in ROWS:
        assert classify(method.encode(), row.paths[0].encode()) is None


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", f"/2.0/mlflow-artifacts/artifacts/{FILE}", Action.READ),
        ("HEAD", f"/2.0/mlflow-artifacts/artifacts/{FILE}", Action.READ),
        ("PUT", f"/2.0/mlflow-artifacts/artifacts/{FILE}", Action.WRITE),
        ("DELETE", f"/2.0/mlflow-artifacts/artifacts/{FILE}", Action.DELETE),
        ("GET", "/2.0/mlflow-artifacts/artifacts", Action.READ),
        ("POST", f"/2.0/mlflow-artifacts/mpu/create/{FILE}", Action.WRITE),
        ("POST", f"/2.0/mlflow-artifacts/mpu/complete/{FILE}", Action.WRITE),
        ("POST", f"/2.0/mlflow-artifacts/mpu/abort/{FILE}", Action.WRITE),
        ("GET", f"/2.0/mlflow-artifacts/presigned/{FILE}", Action.READ),
        ("POST", "/2.0/mlflow/artifacts/presigned-download-url", Action.READ),
        ("POST", "/2.0/mlflow/artifacts/presigned-upload-url", Action.WRITE),
        ("GET", "/2.0/mlflow/artifacts/list", Action.READ),
        ("POST", "/2.0/mlflow/upload-artifact", Action.WRITE),
        ("GET", "/2.0/mlflow/get-trace-artifact", Action.READ),
        ("GET", "/3.0/mlflow/get-trace-artifact", Action.READ),
        ("GET", "/2.0/mlflow/logged-models/m-1/artifacts/files", Action.READ),
        ("GET", "/2.0/mlflow/logged-models/m-1/artifacts/directories", Action.READ),
    ],
)
def test_every_way_to_an_artifact_is_one(
    prefix: str, method: str, path: str, action: Action
) -> None:
    page_only = ("upload-artifact", "get-trace-artifact", "artifacts/files")
    if prefix == "/api" and path.endswith(page_only):
        assert classify(method.encode(), (prefix + path).encode()) is None
        return
    operation = known(method, prefix + path)
    assert (operation.family, operation.action) == ("artifacts", action)


@pytest.mark.parametrize("path", ["/get-artifact", "/model-versions/get-artifact"])
def test_the_ways_of_the_page_to_an_artifact_are_one(path: str) -> None:
    operation = known("GET", path)
    assert (operation.family, operation.action) == ("artifacts", Action.READ)


def test_graphql_reads_what_all_its_families_hold() -> None:
    """A key for runs alone must not read models by it."""
    for method in ("GET", "POST"):
        operation = known(method, "/graphql")
        assert operation.action is Action.READ
        assert {operation.family, *operation.also} == {
            *("experiments", "runs", "metrics", "models", "artifacts", "datasets")
        }
        assert operation.decides_by_body


@pytest.mark.parametrize(
    ("method", "path", "by_body"),
    [
        ("GET", "/api/2.0/mlflow/runs/get", False),
        ("POST", "/api/2.0/mlflow/runs/log-batch", True),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete", True),
        ("PATCH", "/api/2.0/mlflow/logged-models/m-1", True),
        ("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{FILE}", False),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact", False),
        ("POST", "/v1/traces", True),
    ],
)
def test_whether_the_objects_show_in_the_body(method: str, path: str, by_body: bool) -> None:
    operation = known(method, path)
    assert operation.decides_by_body is by_body
    assert any(field.place is Place.BODY for field in operation.objects) is by_body


# Repeated by MLflow's own client after a response was lost: mlflow.utils.rest_utils of 3.18.0
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


def test_what_may_be_sent_twice() -> None:
    """Reads, and the writes that MLflow's own client repeats."""
    repeated = {
        (row.method, re.sub("^/(?:ajax-)?api", "", path))
        for row in ROWS
        for path in row.paths
        if row.operation.retry is Retry.SAFE
    }
    assert {path for method, path in repeated if method == "POST"} == SAFE_POSTS
    assert {method for method, _ in repeated} == {"GET", "POST"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_trace_of_the_old_kind_is_not_sent_twice(prefix: str) -> None:
    """StartTrace of 2.0 makes a new trace each time; only that of 3.0 brings its id along."""
    assert known("POST", f"{prefix}/2.0/mlflow/traces").retry is Retry.NEVER
    assert known("POST", f"{prefix}/3.0/mlflow/traces").retry is Retry.SAFE


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
        ("/api/3.0/mlflow/traces/tr-1", "traces"),
        ("/api/3.0/mlflow/traces/tr-1/assessments/a-1", "assessments"),
        ("/api/3.0/mlflow/datasets/search", "datasets"),
        ("/api/3.0/mlflow/scorers/list", "scorers"),
        ("/api/3.0/mlflow/mcp-servers", "prompts"),
        ("/api/2.0/mlflow/webhooks", "webhooks"),
        ("/gateway/mlflow/v1/models", "ai-gateway"),
        ("/ajax-api/3.0/jobs/1", "jobs"),
        ("/ajax-api/3.0/mlflow/jobs/1", "jobs"),
        ("/ajax-api/3.0/mlflow/assistant/config", "assistant"),
        ("/api/3.0/mlflow/workspaces", "workspaces"),
        ("/api/2.0/mlflow/users/get", "auth-admin"),
        ("/signup", "auth-admin"),
        ("/health", "gate"),
        ("/-/livez", "gate"),
    ],
)
def test_families(path: str, family: str) -> None:
    assert known("GET", path).family == family


@pytest.mark.parametrize(
    "path",
    [
        *("/api", "/api/", "/api/2.0", "/api/2.0/", "/api/2.0/mlflow", "/api/2.0/mlflow/"),
        *("/api/1.0/mlflow/runs/get", "/api/4.0/mlflow/runs/get", "/api/2.0/other/runs/get"),
        *("/api/2.0/mlflow/Runs/get", "/API/2.0/mlflow/runs/get", "/api/2.0/mlflow/run"),
        *("/api/2.0/mlflow/runs%20/get", "/api/2.0/mlflow-artifacts", "/api/2.0/mlflow-artifacts/"),
        *("/api/2.0/mlflow/runs/get/", "/api/2.0/mlflow/runs/get/1", "/api/2.0/mlflow/runs"),
        *("/api/2.0/mlflow/logged-models/", "/api/2.0/mlflow/logged-models/m/x", "/favicon.ico"),
        *("/api/2.0mlflow/runs/get", "/version/", "/health/x", "/graphql/", "/v1/traces/x", "/v1"),
        *("/static-files", "/gateway", "/gateway/x", "/metrics", "/x", "/mlflow/", "/build", ""),
        *("/-", "/-/", "/-/x", "/-/livez/", "mlflow/runs/get", "/mlflow/runs/get"),
        *("/api/2.0mlflow/experiments/search-datasets", "/ajax-api/3.0/jobs"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths(path: str, method: str) -> None:
    assert classify(method.encode(), path.encode()) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_gates_own_pages_are_only_read(method: str) -> None:
    assert classify(method.encode(), b"/-/livez") is None


def route(version: str, method: str, path: str, *, native: bool = False) -> SnapshotRoute:
    return SnapshotRoute(version, method, "/api/2.0", path, native, False, frozenset(), ())


def test_a_route_without_a_rule_is_refused() -> None:
    """What nobody decided on is for nobody."""
    rules = tuple(parse("[runs]\nruns/get  read  GET  mlflow/runs/get\n"))
    routes = [route("9.0", method, "mlflow/runs/get") for method in ("GET", "POST")]
    made = Table(rules, {"9.0": [*routes, route("9.0", "GET", "mlflow/runs/new")]})
    assert made.classify(b"GET", b"/api/2.0/mlflow/runs/get") is not None
    assert made.classify(b"POST", b"/api/2.0/mlflow/runs/get") is None
    assert made.classify(b"GET", b"/api/2.0/mlflow/runs/new") is None


def test_a_rule_without_a_route_lets_nobody_in() -> None:
    """No MLflow that was looked at has it, so whatever responds is something else."""
    rules = tuple(parse("[runs]\nruns/get  read  GET  mlflow/runs/get\n"))
    assert Table(rules, {"9.0": []}).classify(b"GET", b"/api/2.0/mlflow/runs/get") is None


def test_a_refused_route_is_found_by_no_pattern_either() -> None:
    rules = tuple(
        parse("[runs]\nruns/get  read  GET  mlflow/{x}\n[none]\nno  refuse  GET  mlflow/a\n")
    )
    made = Table(
        rules, {"9.0": [route("9.0", "GET", "mlflow/{y}"), route("9.0", "GET", "mlflow/a")]}
    )
    assert made.classify(b"GET", b"/api/2.0/mlflow/b") is not None
    assert made.classify(b"GET", b"/api/2.0/mlflow/a") is None


def test_versions() -> None:
    """An operation knows the first that has it, the last that has not, the first native one."""
    rules = tuple(parse("[runs]\nruns/get  read  GET|POST  mlflow/runs/get\n"))
    made = Table(
        rules,
        {
            "2.9": [],
            "2.10": [route("2.10", "GET", "mlflow/runs/get")],
            "3.0": [route("3.0", "GET", "mlflow/runs/get", native=True)],
            "3.1": [
                route("3.1", "GET", "mlflow/runs/get", native=True),
                route("3.1", "POST", "mlflow/runs/get"),
            ],
        },
    )
    get, post = (row.operation for row in made.rows)
    assert (get.since, get.not_in, get.native_since) == ("2.10", "2.9", "3.0")
    assert (post.since, post.not_in, post.native_since) == ("3.1", "3.0", "")
    assert (get.body, post.body) == (BodyHandling.STREAM, BodyHandling.LENGTH)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/3.0/mlflow-artifacts/artifacts/a"),
        ("PUT", "/ajax-api/3.0/mlflow-artifacts/artifacts/a"),
        ("POST", "/api/2.0/mlflow/traces/tr-1/assessments"),
        ("GET", "/api/3.0/mlflow/runs/get"),
        ("POST", "/api/2.0/mlflow/upload-artifact"),
    ],
)
def test_a_path_that_no_mlflow_mounts_there_is_none(method: str, path: str) -> None:
    """MLflow would answer with the page of a 404, as if something else stood in its place."""
    mounted = {each for row in table().rows if row.method == method for each in row.paths}
    known = classify(method.encode(), path.encode())
    assert (known is not None) is (path in mounted)


def test_each_place_that_some_mlflow_mounts_is_known() -> None:
    """At that place and at no other."""
    for row in table().rows:
        for place in MOUNTS if row.operation.mounts else ():
            path = f"{place}/{row.operation.path}"
            if "{" not in path:
                known = classify(row.method.encode(), path.encode())
                assert (known is row.operation) is (place in row.operation.mounts), path


def test_the_versions_near_one_that_is_not_known_are_read_alike() -> None:
    rules = tuple(parse("[runs]\nruns/get  read  GET  mlflow/runs/get\n"))
    found = {each: [route(each, "GET", "mlflow/runs/get")] for each in ("2.9", "3.0", "3.1")}
    made = Table(rules, found)
    (row,) = made.rows
    for version in ("", "2.0", "2.9", "2.10", "3.0", "9.0"):
        assert len(made.readers(row.operation, version)) == 1
    assert made.bare("9.0") == made.bare("2.0") == made.bare("") == frozenset()


def test_what_is_served_without_the_static_prefix_is_known_by_version() -> None:
    rules = tuple(parse("[runs]\nruns/get  read  GET  mlflow/runs/get\n"))
    old = route("2.9", "GET", "mlflow/runs/get")
    made = Table(
        rules, {"2.9": [old], "3.0": [route("3.0", "GET", "mlflow/a")._replace(bare=True)]}
    )
    assert not made.bare("2.9")
    assert [each.method for each in made.bare("3.0")] == ["GET"]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/2.0/mlflow/runs/get", "reads"),
        ("POST", "/api/2.0/mlflow/runs/search", "reads"),
        ("POST", "/api/2.0/mlflow/runs/create", "writes"),
        ("POST", "/api/2.0/mlflow/runs/delete", "writes"),
        ("POST", "/graphql", "reads"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", "artifacts"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a", "artifacts"),
        ("GET", "/get-artifact", "artifacts"),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact", "artifacts"),
        ("POST", "/v1/traces", "traces"),
        ("POST", "/api/3.0/mlflow/traces/search", "traces"),
        ("POST", "/gateway/mlflow/v1/chat/completions", "ai_gateway"),
    ],
)
def test_classes_of_requests(method: str, path: str, name: str) -> None:
    operation = classify(method.encode(), path.encode())
    assert operation is not None
    assert operation.request_class is not None
    assert operation.request_class.name == name


def test_what_has_no_rate() -> None:
    """The gate's own pages, what is public, and the files of MLflow's page; nothing else."""
    rows = [row.operation for row in table().rows]
    for each in rows:
        exempt = each.gate_page or each.public or each.static
        assert (each.request_class is None) == exempt, each.name
    assert {each.request_class for each in rows} == {None, *REQUEST_CLASSES}


def test_the_places_of_the_classes() -> None:
    assert [each.at for each in REQUEST_CLASSES] == list(range(len(REQUEST_CLASSES)))
