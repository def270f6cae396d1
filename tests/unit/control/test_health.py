"""The health pages: what they say of upstreams and APIs, and to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.applications import Starlette

from headgate.cluster import ClusterSnapshot
from headgate.contract.diagnosis import ARTIFACTS, AskError
from headgate.contract.use import PROBE_FOLDER
from headgate.control.app import MAY_HEADER, PRINCIPAL_HEADER, ControlFacts, control_app
from headgate.control.checks import Checks
from headgate.control.shared_results import CheckResult
from headgate.model import Api
from headgate.symptoms import ConnectionFailure, ExchangeFailure
from headgate.telemetry.exposition import Exposition
from tests.unit.control.stand import ADDRESS, cluster

NOT_GRANTED = {PRINCIPAL_HEADER: "k_00000001", MAY_HEADER: ""}
READER = {PRINCIPAL_HEADER: "k_00000001", MAY_HEADER: "read"}
KNOWN = {PRINCIPAL_HEADER: "k_00000001", MAY_HEADER: "read,write,delete,administer"}


class Page:
    """The application, asked without a network."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
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
        self.unremovable = False
        self.lost: set[str] = set()
        """Methods whose responses are lost on the way."""

    async def ask(self, method: str, target: str, body: bytes) -> Said:
        self.asked.append((method, target))
        if self.broken and self.broken in target:
            raise AskError(f"{ADDRESS}: Connection refused", ConnectionFailure.REFUSED)
        if method == "PUT":
            self.stored[target] = body
        if method == "DELETE" and self.unremovable:
            raise AskError("Connection refused", ConnectionFailure.REFUSED)
        if method == "DELETE":
            for path in [each for each in self.stored if f"{each}/".startswith(f"{target}/")]:
                del self.stored[path]
        if "?path=" in target:
            return Said(200, json.dumps({"files": self.listed()}).encode())
        if method in self.lost:
            # It has been done all the same.
            raise AskError("no response within 5 s", ExchangeFailure.SILENT)
        return Said(200, self.stored.get(target, b"{}"))

    def listed(self) -> list[dict[str, object]]:
        """What lies where deep checks write, as MLflow tells it."""
        folders = {path.split("/")[6] for path in self.stored}
        return [{"path": f"{PROBE_FOLDER}/{each}", "is_dir": True} for each in sorted(folders)]


@pytest.fixture
def mlflow() -> MLflow:
    return MLflow()


@pytest.fixture
def client_of(mlflow: MLflow) -> Callable[[bool], Page]:
    def make(well: bool) -> Page:
        facts = ControlFacts(
            stopping=lambda: False,
            draining=lambda: False,
            metrics=lambda _accept: Exposition("text/plain", iter(())),
            snapshots=lambda: [cluster(well=well)],
            checks=lambda: {"default": checks},
            version="0.1.0",
        )
        checks = Checks(mlflow.ask, clock=lambda: 100.0)
        return Page(control_app(facts))

    return make


def page_of(*snapshots: ClusterSnapshot, checks: Callable[[], dict[str, Checks]] = dict) -> Page:
    """The pages of a gate whose upstreams stand like this."""
    facts = ControlFacts(
        stopping=lambda: False,
        draining=lambda: False,
        metrics=lambda _accept: Exposition("text/plain", iter(())),
        snapshots=lambda: list(snapshots),
        checks=checks,
        version="0.1.0",
    )
    return Page(control_app(facts))


@pytest.mark.parametrize(
    "path",
    ["/-/health", "/-/health/experiments", "/health/mlflow", "/health/mlflow/detailed"],
)
@pytest.mark.parametrize("headers", [{}, NOT_GRANTED, NOT_GRANTED | {MAY_HEADER: "write"}])
def test_without_the_grant_there_are_status_words_only(
    client_of: Callable[[bool], Page], headers: dict[str, str], path: str
) -> None:
    for well in (True, False):
        response = client_of(well).get(path, headers)
        assert set(response.json()) == {"status"}
        assert ADDRESS not in response.text


def test_a_key_holder_sees_each_endpoint(client_of: Callable[[bool], Page]) -> None:
    (upstream,) = client_of(True).get("/-/health", headers=KNOWN).json()["upstreams"]
    (endpoint,) = upstream["endpoints"]
    assert (endpoint["endpoint"], endpoint["mlflow_version"]) == (ADDRESS, "3.17.2")
    assert endpoint["sources"] == ["DNS mlflow.internal"]
    assert endpoint["available"]
    (source,) = upstream["sources"]
    assert (source["source"], source["ttl"]) == ("DNS mlflow.internal", 5)


@pytest.mark.parametrize("api", ["experiments", "models", "artifacts", "traces"])
def test_an_api_is_used(client_of: Callable[[bool], Page], mlflow: MLflow, api: str) -> None:
    response = client_of(True).get(f"/-/health/{api}", headers=KNOWN)
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert len(mlflow.asked) == 1


def test_a_failing_api_is_explained_to_key_holders(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    mlflow.broken = "registered-models"
    response = client_of(True).get("/-/health/models", headers=KNOWN)
    assert (response.status_code, response.json()["status"]) == (503, "failing")
    told = response.json()["upstreams"]["default"]
    assert "Connection refused" in told["detail"]
    assert told["reason"] == response.headers["X-Headgate-Reason"] == "upstream_connect"
    assert "headgate doctor" in response.json()["next"]
    assert client_of(True).get("/-/readyz").status_code == 200  # it flips no readiness


def test_many_questions_cause_one_check(client_of: Callable[[bool], Page], mlflow: MLflow) -> None:
    client = client_of(True)
    for _ in range(50):
        client.get("/-/health/experiments")
    assert len(mlflow.asked) == 1


def test_a_deep_check_writes_reads_and_deletes(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    response = client_of(True).get("/-/health/artifacts?deep=1", headers=KNOWN)
    assert response.status_code == 200
    assert [method for method, _ in mlflow.asked] == ["GET", "PUT", "GET", "DELETE"]
    assert mlflow.stored == {}


@pytest.mark.parametrize("lost", ["PUT", "GET"])
def test_a_deep_check_that_fails_leaves_nothing_behind(
    client_of: Callable[[bool], Page], mlflow: MLflow, lost: str
) -> None:
    """Not even where the response to its writing was lost."""
    mlflow.lost = {lost}
    response = client_of(True).get("/-/health/artifacts?deep=1", headers=KNOWN)
    assert response.status_code == 503
    assert "no response within 5 s" in response.text
    assert mlflow.stored == {}


def test_the_first_failure_is_reported_and_what_stays_is_named(mlflow: MLflow) -> None:
    async def story() -> CheckResult:
        mlflow.lost = {"PUT"}
        checks = Checks(mlflow.ask, clock=lambda: 100.0)
        mlflow.unremovable = True
        return await checks.check(Api.ARTIFACTS, deep=True)

    result = asyncio.run(story())
    assert result.detail.startswith("no response within 5 s; headgate-health/100-")
    assert "is removed by a later check" in result.detail


def test_a_deep_check_removes_what_an_earlier_one_could_not(mlflow: MLflow) -> None:
    """Of any gate; not what may still be in use, nor what is nobody's leftover."""
    names = ("100-0123456789abcdef", "9000-0123456789abcdef", "notes", "100-mine")
    for name in names:
        mlflow.stored[f"{ARTIFACTS}/{PROBE_FOLDER}/{name}/probe.txt"] = b""

    async def story() -> CheckResult:
        return await Checks(mlflow.ask, clock=lambda: 9100.0).check(Api.ARTIFACTS, deep=True)

    assert asyncio.run(story()).ok
    assert {path.split("/")[6] for path in mlflow.stored} == set(names[1:])


@pytest.mark.parametrize("api", [Api.EXPERIMENTS, Api.MODELS, Api.TRACES])
def test_a_server_of_artifacts_alone_is_well(api: Api) -> None:
    async def ask(_method: str, _target: str, _body: bytes) -> Said:
        return Said(503, b"Endpoint: /x disabled due to ... in `--artifacts-only` mode.")

    async def story() -> CheckResult:
        return await Checks(ask).check(api)

    result = asyncio.run(story())
    assert (result.ok, result.detail) == (True, "not served by this MLflow (--artifacts-only)")


def test_a_page_that_names_a_switch_is_a_page() -> None:
    async def ask(_method: str, _target: str, _body: bytes) -> Said:
        return Said(503, b"<html>start it with --artifacts-only</html>")

    async def story() -> CheckResult:
        return await Checks(ask).check(Api.EXPERIMENTS)

    assert not asyncio.run(story()).ok


@pytest.mark.parametrize("deep", [True, False])
def test_artifacts_that_mlflow_does_not_serve_are_no_failure(deep: bool) -> None:
    """Its clients then go to the store themselves."""

    async def ask(_method: str, _target: str, _body: bytes) -> Said:
        return Said(503, b"disabled due to the mlflow server running with `--no-serve-artifacts`.")

    async def story() -> CheckResult:
        return await Checks(ask).check(Api.ARTIFACTS, deep=deep)

    result = asyncio.run(story())
    assert (result.ok, result.detail) == (True, "not served by this MLflow (--no-serve-artifacts)")


def test_traces_are_asked_for_as_an_older_mlflow_has_them() -> None:
    asked = []

    async def ask(method: str, target: str, _body: bytes) -> Said:
        asked.append((method, target.partition("?")[0]))
        return Said(404 if "3.0" in target else 200, b"{}")

    async def story() -> CheckResult:
        return await Checks(ask).check(Api.TRACES)

    assert asyncio.run(story()).detail == "GET /api/2.0/mlflow/traces responded 200"
    assert asked == [
        ("POST", "/api/3.0/mlflow/traces/search"),
        ("GET", "/api/2.0/mlflow/traces"),
    ]


def test_a_deep_check_is_for_administrators(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    page = client_of(True)
    assert page.get("/-/health/artifacts?deep=1").status_code == 401
    for headers in (READER, NOT_GRANTED):
        response = page.get("/-/health/artifacts?deep=1", headers)
        assert (response.status_code, response.headers["X-Headgate-Reason"]) == (403, "forbidden")
        assert "administer:gate" in response.json()["message"]
    assert mlflow.asked == []
    assert page.get("/-/health/artifacts", READER).json()["upstreams"]


def test_everything_together(client_of: Callable[[bool], Page], mlflow: MLflow) -> None:
    page = client_of(True)
    response: dict[str, Any] = page.get("/health/mlflow/detailed", headers=KNOWN).json()
    assert response["status"] == "ok"
    assert [each["api"] for each in response["apis"]["default"]] == [
        "experiments",
        "models",
        "artifacts",
        "traces",
    ]
    mlflow.broken = "traces"
    response = page.get("/health/mlflow/detailed", headers=KNOWN).json()
    assert response["status"] == "ok"  # what was found a moment ago still counts
    response = client_of(True).get("/health/mlflow/detailed", headers=KNOWN).json()
    assert response["status"] == "degraded"


def test_where_every_api_fails_nothing_works(
    client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    mlflow.broken = "/"
    response = client_of(True).get("/health/mlflow/detailed")
    assert (response.status_code, response.json()) == (503, {"status": "down"})


@pytest.mark.parametrize(
    ("query", "deep"),
    [
        *(("?deep=1", True), ("?deep=true", True), ("?deep", True), ("?x=2&deep=1", True)),
        *(("?deep=0", False), ("?deep=false", False), ("?deepest=1", False), ("?", False)),
    ],
)
def test_how_a_deep_check_is_asked_for(
    query: str, deep: bool, client_of: Callable[[bool], Page], mlflow: MLflow
) -> None:
    """What looks like wanting one is one, or else it would seem to have gone well."""
    response = client_of(True).get(f"/-/health/artifacts{query}", headers=KNOWN)
    assert response.status_code == 200
    assert ("PUT" in {method for method, _ in mlflow.asked}) == deep


def test_no_such_api(client_of: Callable[[bool], Page]) -> None:
    response = client_of(True).get("/-/health/nothing")
    assert (response.status_code, json.loads(response.text)) == (404, {"status": "unknown"})


# --- the one word -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshots", "word", "code", "ready"),
    [
        ([cluster(well=True)], "ok", 200, 200),
        ([cluster(well=True, full=True)], "ok", 200, 200),  # requests wait in line there
        ([cluster(well=True, stale=True)], "degraded", 200, 200),
        ([cluster(well=True), cluster("other", well=False)], "degraded", 200, 200),
        ([cluster(well=True), cluster("other", found=False)], "degraded", 200, 200),
        ([cluster(well=False)], "down", 503, 200),  # it fails open
        ([cluster(found=False)], "down", 503, 503),
    ],
)
def test_what_is_said_in_one_word(
    snapshots: list[ClusterSnapshot], word: str, code: int, ready: int
) -> None:
    """Readiness goes only when no request can be served; what is merely unwell shows elsewhere."""
    page = page_of(*snapshots)
    response = page.get("/-/health")
    assert (response.status_code, response.json()) == (code, {"status": word})
    assert page.get("/-/readyz").status_code == ready
    assert page.get("/-/livez").status_code == 200


def test_each_upstream_has_its_word() -> None:
    page = page_of(cluster(well=True), cluster("other", well=False))
    upstreams = page.get("/-/health", headers=KNOWN).json()["upstreams"]
    assert [each["status"] for each in upstreams] == ["ok", "down"]


def test_the_upstreams_in_force_are_checked() -> None:
    """Whatever they were when the gate started."""
    asked = {name: MLflow() for name in ("default", "added")}
    checks = {name: Checks(each.ask, clock=lambda: 100.0) for name, each in asked.items()}
    in_force = ["default"]
    page = page_of(checks=lambda: {name: checks[name] for name in in_force})
    assert set(page.get("/-/health/models", headers=KNOWN).json()["upstreams"]) == {"default"}
    in_force[:] = ["default", "added"]
    assert set(page.get("/-/health/models", headers=KNOWN).json()["upstreams"]) == set(in_force)
    assert len(asked["added"].asked) == 1
    in_force[:] = ["added"]
    assert set(page.get("/-/health/models", headers=KNOWN).json()["upstreams"]) == {"added"}


def test_upstreams_are_checked_at_the_same_time() -> None:
    """One that hangs holds up no other: each waits here until both have been asked."""

    async def story() -> list[int]:
        both = asyncio.Barrier(2)

        async def ask(_method: str, _target: str, _body: bytes) -> Said:
            async with asyncio.timeout(10), both:
                return Said(200, b"{}")

        checks = {name: Checks(ask) for name in ("default", "other")}
        transport = httpx.ASGITransport(page_of(cluster(well=True), checks=lambda: checks).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
            response = await client.get("/-/health/models")
            return [response.status_code]

    assert asyncio.run(story()) == [200]


def test_a_thousand_concurrent_questions_cause_one_check() -> None:
    async def story() -> tuple[int, set[int]]:
        mlflow, go_on = MLflow(), asyncio.Event()

        async def ask(method: str, target: str, body: bytes) -> Said:
            await go_on.wait()
            return await mlflow.ask(method, target, body)

        checks = Checks(ask)
        waiting = [asyncio.ensure_future(checks.check(Api.TRACES)) for _ in range(1000)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # the first request may be cancelled
        go_on.set()
        results = await asyncio.gather(*waiting[1:])
        return len(mlflow.asked), {id(each) for each in results}

    asked, results = asyncio.run(story())
    assert (asked, len(results)) == (1, 1)


# --- maintenance --------------------------------------------------------------------------------

WELL = cluster()
GONE = cluster(found=False)


@pytest.mark.parametrize(
    ("snapshots", "status"),
    [
        ([replace(WELL, maintenance="parked")], "parked"),
        ([replace(GONE, maintenance="draining")], "parked"),
        ([replace(WELL, read_only=True)], "read_only"),
        ([replace(WELL, maintenance="refusing"), WELL], "parked"),
        ([replace(WELL, read_only=True), WELL], "read_only"),
        ([replace(WELL, maintenance="parked"), GONE], "degraded"),
        ([replace(GONE, read_only=True)], "down"),
    ],
)
def test_what_operators_have_asked_for_is_in_order(
    snapshots: list[ClusterSnapshot], status: str
) -> None:
    page = page_of(*snapshots)
    response = page.get("/-/health", READER)
    assert response.json()["status"] == status
    assert response.status_code == (503 if status == "down" else 200)
    assert ("next" in response.json()) is (status in ("degraded", "down"))


def test_a_gate_stays_ready_while_its_upstream_is_parked_and_gone() -> None:
    assert page_of(GONE).get("/-/readyz").status_code == 503
    assert page_of(replace(GONE, maintenance="parked")).get("/-/readyz").status_code == 200
