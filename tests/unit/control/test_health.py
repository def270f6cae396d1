"""The health pages: what they say of upstreams and APIs, and to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.applications import Starlette

from headgate.control.app import PRINCIPAL_HEADER, ControlFacts, control_app
from headgate.control.checks import AskError, Checks
from headgate.model import Endpoint
from headgate.upstream import Cluster, ClusterPolicy, ClusterSnapshot, Found, ProbeResult

KNOWN = {PRINCIPAL_HEADER: "k_00000001"}
ADDRESS = "10.0.0.7:5000"


class Page:
    """The application, asked without a network."""

    def __init__(self, app: Starlette) -> None:
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://gate") as own:
                return await own.get(path, headers=headers)

        return asyncio.run(ask())


class Said(NamedTuple):
    """What MLflow answers."""

    status: int
    body: bytes


class MLflow:
    """Answers what it is asked and counts that."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.broken = ""
        self.stored: dict[str, bytes] = {}

    async def ask(self, method: str, target: str, body: bytes) -> Said:
        self.asked.append((method, target))
        if self.broken and self.broken in target:
            raise AskError(f"{ADDRESS}: Connection refused")
        if method == "PUT":
            self.stored[target] = body
        if method == "DELETE":
            del self.stored[target]
        return Said(200, self.stored.get(target, b"{}"))


def cluster(*, well: bool) -> ClusterSnapshot:
    made = Cluster("default", ClusterPolicy(), Random(0), lambda _event: None)  # noqa: S311
    endpoint = Endpoint("10.0.0.7", 5000)
    made.discovered([Found(endpoint)], "DNS mlflow.internal", 5, 0)
    made.probed(endpoint, ProbeResult(well, 0.01, "GET /health", "3.17.2"), 1)
    return made.snapshot(2)


@pytest.fixture
def mlflow() -> MLflow:
    return MLflow()


@pytest.fixture
def client_of(mlflow: MLflow) -> Callable[[bool], Page]:
    def make(well: bool) -> Page:
        facts = ControlFacts(
            draining=lambda: False,
            metrics=lambda: iter(()),
            snapshots=lambda: [cluster(well=well)],
            checks={"default": Checks(mlflow.ask, clock=lambda: 100.0)},
            version="0.1.0",
        )
        return Page(control_app(facts))

    return make


@pytest.mark.parametrize(
    "path",
    ["/-/health", "/-/health/experiments", "/health/mlflow", "/health/mlflow/detailed"],
)
def test_a_stranger_sees_status_words_only(client_of: Callable[[bool], Page], path: str) -> None:
    for well in (True, False):
        answer = client_of(well).get(path)
        assert set(answer.json()) == {"status"}
        assert ADDRESS not in answer.text


def test_a_key_holder_sees_each_endpoint(client_of: Callable[[bool], Page]) -> None:
    (upstream,) = client_of(True).get("/-/health", headers=KNOWN).json()["upstreams"]
    (endpoint,) = upstream["endpoints"]
    assert (endpoint["endpoint"], endpoint["mlflow_version"]) == (ADDRESS, "3.17.2")
    assert endpoint["available"]
    (source,) = upstream["sources"]
    assert (source["source"], source["ttl"]) == ("DNS mlflow.internal", 5)


@pytest.mark.parametrize("api", ["experiments", "models", "artifacts", "traces"])
def test_an_api_is_used(client_of: Callable[[bool], Page], mlflow: MLflow, api: str) -> None:
    answer = client_of(True).get(f"/-/health/{api}", headers=KNOWN)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert len(mlflow.asked) == 1


def test_a_failing_api_is_explained_to_key_holders(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    mlflow.broken = "registered-models"
    answer = client_of(True).get("/-/health/models", headers=KNOWN)
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert "Connection refused" in answer.json()["upstreams"]["default"]["detail"]
    assert client_of(True).get("/-/readyz").status_code == 200  # it flips no readiness


def test_many_questions_cause_one_check(client_of: Callable[[bool], Page], mlflow: MLflow) -> None:
    client = client_of(True)
    for _ in range(50):
        client.get("/-/health/experiments")
    assert len(mlflow.asked) == 1


def test_a_deep_check_writes_reads_and_deletes(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    answer = client_of(True).get("/-/health/artifacts?deep=1", headers=KNOWN)
    assert answer.status_code == 200
    assert [method for method, _ in mlflow.asked] == ["PUT", "GET", "DELETE"]
    assert mlflow.stored == {}


def test_a_deep_check_is_for_key_holders(client_of: Callable[[bool], Page], mlflow: MLflow) -> None:
    assert client_of(True).get("/-/health/artifacts?deep=1").status_code == 401
    assert mlflow.asked == []


def test_everything_at_once(client_of: Callable[[bool], Page], mlflow: MLflow) -> None:
    page = client_of(True)
    answer: dict[str, Any] = page.get("/health/mlflow/detailed", headers=KNOWN).json()
    assert answer["status"] == "ok"
    assert [each["api"] for each in answer["apis"]["default"]] == [
        "experiments",
        "models",
        "artifacts",
        "traces",
    ]
    mlflow.broken = "traces"
    answer = page.get("/health/mlflow/detailed", headers=KNOWN).json()
    assert answer["status"] == "ok"  # what was found a moment ago still counts
    answer = client_of(True).get("/health/mlflow/detailed", headers=KNOWN).json()
    assert answer["status"] == "degraded"


def test_no_such_api(client_of: Callable[[bool], Page]) -> None:
    answer = client_of(True).get("/-/health/nothing")
    assert (answer.status_code, json.loads(answer.text)) == (404, {"status": "unknown"})
