"""Which family of MLflow's API a canonical path belongs to, or none.

Sources: ``mlflow.server.handlers.get_endpoints()``, ``mlflow.server.app.url_map`` and the routes of
the FastAPI application around it, MLflow 3.17.2.
"""

from __future__ import annotations

from headgate.model import BodyHandling, Operation, Retry, SizeClass

_SAFE_METHODS = frozenset({b"GET", b"HEAD"})

# Answered by FastAPI itself, which reads chunked bodies; all else goes through the WSGI bridge.
# (/ajax-api/3.0/jobs is FastAPI's, /ajax-api/3.0/mlflow/jobs is not.)
_NATIVE_RESOURCES = frozenset({"assistant", "mcp-servers", "skills", "server-info"})

_FAMILY_OF_RESOURCE = {
    "experiments": "experiments",
    "runs": "runs",
    "metrics": "metrics",
    "registered-models": "models",
    "model-versions": "models",
    "artifacts": "artifacts",
    "upload-artifact": "artifacts",
    "get-artifact": "artifacts",
    "get-trace-artifact": "traces",
    "get-online-trace-details": "traces",
    "unified-traces": "traces",
    "logged-models": "logged-models",
    "traces": "traces",
    "assessments": "assessments",
    "issues": "assessments",
    "label-schemas": "assessments",
    "review-queues": "assessments",
    "datasets": "datasets",
    "scorers": "scorers",
    "scorer": "scorers",
    "genai": "scorers",
    "prompt-optimization": "prompts",
    "skills": "prompts",
    "mcp-servers": "prompts",
    "webhooks": "webhooks",
    "gateway": "ai-gateway",
    "gateway-proxy": "ai-gateway",
    "jobs": "jobs",
    "assistant": "assistant",
    "workspaces": "workspaces",
    "users": "auth-admin",
    "roles": "auth-admin",
    "server-info": "meta",
    "ui-telemetry": "ui",
    "demo": "ui",
}

_EXACT = {
    b"/": "ui",
    b"/favicon.ico": "ui",
    b"/version": "meta",
    b"/health": "meta",
    b"/graphql": "meta",
    b"/get-artifact": "artifacts",
    b"/model-versions/get-artifact": "artifacts",
    b"/v1/traces": "traces",
}
_TREES = {b"static-files": "ui", b"build": "ui", b"gateway": "ai-gateway"}

# Repeating these leaves MLflow as one execution does (mlflow.utils.rest_utils, 3.18.0:
# _RETRY_SAFE_POST_RESPONSES): reads sent as POST, and writes that set a value.
_SAFE_POSTS = {
    b"2.0": frozenset(
        {
            "experiments/search",
            "experiments/search-datasets",
            "experiments/set-experiment-tag",
            "runs/search",
            "runs/log-metric",
            "runs/log-batch",
            "runs/log-parameter",
            "runs/set-tag",
            "runs/update",
            "runs/delete",
            "runs/restore",
            "logged-models/search",
            "model-versions/set-tag",
            "registered-models/set-tag",
            "registered-models/alias",
            "registered-models/get-latest-versions",
        }
    ),
    b"3.0": frozenset(
        {
            "traces",  # brings its id along; the one of 2.0 does not
            "traces/search",
            "traces/metrics",
            "traces/calculate-filter-correlation",
            "traces/batchGetInfos",
            "datasets/search",
            "issues/search",
            "prompt-optimization/jobs/search",
        }
    ),
}
_NO_POSTS: frozenset[str] = frozenset()

# The gate's own pages.  What an orchestrator asks needs no key; all it says is one word.
_GATE = {
    b"/-/livez": Operation("gate", Retry.SAFE, BodyHandling.LENGTH, public=True),
    b"/-/readyz": Operation("gate", Retry.SAFE, BodyHandling.LENGTH, public=True),
    b"/-/metrics": Operation("gate", Retry.SAFE, BodyHandling.LENGTH),
}


def classify(method: bytes, path: bytes) -> Operation | None:
    """The operation that ``method`` on the canonical, unprefixed ``path`` stands for."""
    if path.startswith(b"/-/"):
        return _GATE.get(path) if method in _SAFE_METHODS else None
    family = _EXACT.get(path)
    if family is not None:
        body = BodyHandling.STREAM if path == b"/v1/traces" else BodyHandling.LENGTH
        return _operation(family, _retry(method), body)
    parts = path.split(b"/", 3)
    family = _TREES.get(parts[1]) if len(parts) > 2 else None
    if family is not None:
        body = BodyHandling.STREAM if family == "ai-gateway" else BodyHandling.LENGTH
        return _operation(family, _retry(method), body)
    if len(parts) == 4 and parts[1] in (b"api", b"ajax-api"):
        return _classify_api(method, parts[2], parts[3])
    return None


def _classify_api(method: bytes, version: bytes, rest: bytes) -> Operation | None:
    if version not in (b"2.0", b"3.0"):
        return None
    area, _, tail = rest.decode("ascii").partition("/")
    if area == "mlflow-artifacts":
        streams = method in (b"GET", b"PUT") and tail.startswith("artifacts/")
        body = BodyHandling.STREAM if streams else BodyHandling.LENGTH
        return _operation("artifacts", _retry(method), body) if tail else None
    if area == "jobs":  # /ajax-api/3.0/jobs/...
        return _operation("jobs", _retry(method), BodyHandling.STREAM)
    if area != "mlflow":
        return None
    resource, _, _ = tail.partition("/")
    family = _FAMILY_OF_RESOURCE.get(resource)
    if family is None:
        return None
    body = BodyHandling.STREAM if resource in _NATIVE_RESOURCES else BodyHandling.LENGTH
    return _operation(family, _retry(method, tail, _SAFE_POSTS[version]), body)


def _retry(method: bytes, name: str = "", safe_posts: frozenset[str] = _NO_POSTS) -> Retry:
    if method in _SAFE_METHODS or (method == b"POST" and name in safe_posts):
        return Retry.SAFE
    return Retry.NEVER


_SIZES = {"traces": SizeClass.TRACES, "artifacts": SizeClass.ARTIFACTS}
_OPERATIONS = {
    (family, retry, body): Operation(family, retry, body, _SIZES.get(family, SizeClass.API))
    for family in {*_FAMILY_OF_RESOURCE.values(), *_EXACT.values(), *_TREES.values()}
    for retry in Retry
    for body in BodyHandling
}


def _operation(family: str, retry: Retry, body: BodyHandling) -> Operation:
    """The one object for its values: the hot path makes none."""
    return _OPERATIONS[family, retry, body]
