"""A real MLflow that is broken in part: what the health pages and the doctor say of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.postgres import running_postgres
from tests.support.processes import clean_environment
from tests.support.recording_upstream import Exchange, RecordingUpstream, Script
from tests.support.scripts import fixed, raw, response_bytes, routed

SECONDS = 20.0
OF_DATABASE = ("experiments", "models", "traces")
DETAILED = ("/health/mlflow/detailed", "/mlflow/health/mlflow/detailed")
UPSTREAM = "HEADGATE_UPSTREAMS__DEFAULT__"


@dataclass(frozen=True)
class Watched:
    """A gate that watches an upstream closely, and a key for it."""

    gate: Gate
    key: str
    url: str
    folder: Path

    def page(self, path: str) -> tuple[int, str | None, Any]:
        """What a key holder sees; a stranger sees the same word, and nothing more."""
        before = response = self.gate.ask("GET", path, key=self.key)
        if "?" not in path:
            strange = self.gate.ask("GET", path)
            response = self.gate.ask("GET", path, key=self.key)
            # What is seen may have changed before or after the stranger asked.
            seen = [(each.status, json.loads(each.body)["status"]) for each in (before, response)]
            said = json.loads(strange.body)
            assert (strange.status, said.pop("status"), said) in [(*each, {}) for each in seen]
            inside = f"{urlsplit(self.url).port}"
            assert inside not in (strange.head + strange.body).decode("latin-1")
        return response.status, response.get("X-Headgate-Reason"), json.loads(response.body)

    def check(self, page: str) -> tuple[int, str | None, Any]:
        """What the check of an API says, once it is no longer what it said before."""
        status, reason, told = self.page(f"/-/health/{page}")
        return status, reason, told["upstreams"]["default"]

    def until_check(self, page: str, reason: str) -> Any:
        """Wait until a check ends so: its last result counts for two seconds."""
        self.gate.process.wait_until(
            lambda: self.check(page)[1] == reason or None, f"{page}: {reason}", SECONDS
        )
        return self.check(page)[2]

    def is_alive_and_ready(self) -> bool:
        pages = ("/-/livez", "/-/readyz")
        return {self.gate.ask("GET", page).status for page in pages} == {200}

    def doctor(self, settings: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """The exit code of the doctor and the first step that fails."""
        own = {"MLFLOW_SERVER_URL": self.url, "HEADGATE_DATA": str(self.folder / "none")}
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "doctor", "--json"],
            env=clean_environment() | own | dict(settings or {}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stderr == ""
        failed = [step for step in json.loads(done.stdout)["steps"] if not step["ok"]]
        return done.returncode, failed[0] if failed else {}


@contextmanager
def watching(
    folder: Path, url: str, settings: Mapping[str, str] | None = None
) -> Iterator[Watched]:
    key = create_key(folder / "data", "broken", ["admin"])
    watch = {f"{UPSTREAM}PROBES__INTERVAL": "0.5"}
    with running_gate(folder, url, watch | dict(settings or {})) as gate:
        yield Watched(gate, key, url, folder)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_a_database_that_is_lost(stack: ExitStack, tmp_path: Path) -> None:
    """It shows where it is used, flips no readiness, and artifacts go on."""
    url = stack.enter_context(running_postgres(tmp_path))
    parts = urlsplit(url)
    proxy = stack.enter_context(FaultProxy("127.0.0.1", 0, ("127.0.0.1", parts.port or 0)))
    through = url.replace(f":{parts.port}/", f":{proxy.port}/")
    server = stack.enter_context(running_mlflow(tmp_path, database=through))
    watched = stack.enter_context(watching(tmp_path, server.url))
    for api in (*OF_DATABASE, "artifacts", "artifacts?deep=1"):
        assert watched.check(api)[:2] == (200, "ok")

    proxy.set(Fault.REFUSE)
    for api in OF_DATABASE:
        told = watched.until_check(api, "upstream_error")
        assert "OperationalError" in told["detail"]
        assert "--backend-store-uri" in told["cure"]
        assert watched.check(api)[0] == 503
    assert watched.check("artifacts?deep=1")[:2] == (200, "ok")
    for path in DETAILED:
        assert watched.page(path)[2]["status"] == "degraded"
    assert watched.is_alive_and_ready()
    code, step = watched.doctor()
    assert (code, step["step"]) == (1, "use experiments")
    assert "mlflow db upgrade" in step["cure"]

    proxy.set(Fault.BLACKHOLE)  # as when a security group drops what MLflow sends
    told = watched.until_check("models", "upstream_timeout")
    assert told["detail"].startswith(f"{server.host}:{server.port}: no response")
    assert "database" in told["cure"]
    assert watched.is_alive_and_ready()
    code, step = watched.doctor()
    assert (code, "database" in step["cure"]) == (1, True)

    proxy.set()
    for api in OF_DATABASE:
        watched.until_check(api, "ok")


@pytest.mark.long
def test_an_artifact_store_that_is_lost(stack: ExitStack, tmp_path: Path) -> None:
    server = stack.enter_context(running_mlflow(tmp_path))
    watched = stack.enter_context(watching(tmp_path, server.url))
    assert watched.check("artifacts?deep=1")[:2] == (200, "ok")
    shutil.rmtree(server.artifacts)
    server.artifacts.write_text("no folder")
    told = watched.until_check("artifacts?deep=1", "upstream_error")
    assert "responded 500" in told["detail"]
    assert "--artifacts-destination" in told["cure"]
    assert watched.check("experiments")[:2] == (200, "ok")
    assert watched.is_alive_and_ready()
    code, step = watched.doctor()
    assert (code, step["step"]) == (1, "keep artifacts")
    server.artifacts.unlink()
    watched.until_check("artifacts?deep=1", "ok")


@pytest.mark.long
def test_a_host_check_that_refuses_the_gate_shows_on_every_page(
    stack: ExitStack, tmp_path: Path
) -> None:
    """Though MLflow exempts /health from it, so that it looks well."""
    allowed = {"MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.corp:5000"}
    server = stack.enter_context(running_mlflow(tmp_path, allowed))
    watched = stack.enter_context(watching(tmp_path, server.url))
    watched.gate.process.wait_until(
        lambda: watched.page("/-/health")[0] == 503 or None, "it shows", SECONDS
    )
    (upstream,) = watched.page("/health/mlflow")[2]["upstreams"]
    (endpoint,) = upstream["endpoints"]
    assert endpoint["reason"].startswith("MLflow's Host check refuses the gate")
    for api in (*OF_DATABASE, "artifacts", "artifacts?deep=1"):
        status, reason, told = watched.check(api)
        assert (status, reason) == (503, "upstream_host_refused")
        assert "upstreams.default.host_header" in told["cure"]
    for path in DETAILED:
        assert watched.page(path)[:2] == (503, "upstream_host_refused")
    assert watched.is_alive_and_ready()  # clients learn why from each response
    code, step = watched.doctor()
    assert (code, "'127.0.0.1:*'" in step["seen"]) == (1, True)
    named = {f"{UPSTREAM}HOST_HEADER": "mlflow.corp:5000"}
    assert watched.doctor(named) == (0, {})


@pytest.mark.parametrize("exempt", [True, False])
def test_an_authentication_of_mlflows_own(exempt: bool, stack: ExitStack, tmp_path: Path) -> None:
    """It asks even for /version, in plain text on some routes and as HTML on others."""
    asks = b"You are not authenticated. Please see https://www.mlflow.org/docs"
    script = raw(response_bytes(asks, status=401, content_type="text/plain"))
    routes: dict[bytes, Script] = {b"/health": fixed(b"OK")} if exempt else {}
    upstream = stack.enter_context(RecordingUpstream(routed(routes, script)))
    watched = stack.enter_context(watching(tmp_path, upstream.url))
    for api in (*OF_DATABASE, "artifacts", "artifacts?deep=1"):
        status, reason, told = watched.check(api)
        assert (status, reason) == (503, "upstream_credentials")
        assert "upstreams.default.credentials" in told["cure"]
    for target in ("/version", "/api/2.0/mlflow-artifacts/artifacts/1/a.txt"):
        response = watched.gate.ask("GET", target, key=watched.key)
        assert (response.status, response.get("X-Headgate-Reason")) == (502, "upstream_credentials")
        assert "Your key is valid" in json.loads(response.body)["message"]
    code, step = watched.doctor()
    assert code == 1
    if exempt:
        assert step["step"].startswith("pass the authentication")
        assert "upstreams.default.credentials" in step["cure"]


@pytest.mark.parametrize(
    "listed", [b"[]", b"null", b'{"files": [{"path": 3}, {"x": 1}, 5]}', b'{"files": 5}', b"{"]
)
def test_a_deep_check_is_no_defect_whatever_is_answered(
    listed: bytes, stack: ExitStack, tmp_path: Path
) -> None:
    upstream = stack.enter_context(RecordingUpstream(fixed(listed)))
    watched = stack.enter_context(watching(tmp_path, upstream.url))
    status, reason, told = watched.check("artifacts?deep=1")
    assert (status, told["ok"]) == (503, False)
    assert reason in ("upstream_not_json", "upstream_error")


def test_an_upload_that_a_login_page_answers_is_no_success(
    stack: ExitStack, tmp_path: Path
) -> None:
    """Or else its client would take it for stored."""
    login = raw(response_bytes(b"<!doctype html><h1>Log in</h1>", content_type="text/html"))
    upstream = stack.enter_context(RecordingUpstream(login))
    watched = stack.enter_context(watching(tmp_path, upstream.url))
    target = "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/model.bin"
    for method, body in (("PUT", b"weights"), ("DELETE", b"")):
        response = watched.gate.ask(method, target, key=watched.key, body=body)
        assert (response.status, response.get("X-Headgate-Reason")) == (502, "upstream_not_json")


def test_the_last_error_of_an_endpoint_says_what_it_was(stack: ExitStack, tmp_path: Path) -> None:
    def script(exchange: Exchange) -> None:
        is_well = b" /health " in exchange.request.request_line
        fixed(b"{}", status=200 if is_well else 500)(exchange)

    upstream = stack.enter_context(RecordingUpstream(script))
    watched = stack.enter_context(watching(tmp_path, upstream.url))

    def last_error() -> str:
        (each,) = watched.page("/-/health")[2]["upstreams"]
        return str(each["endpoints"][0]["last_error"])

    watched.gate.ask("GET", "/version", key=watched.key)
    assert last_error() == "a response had status 500"
    watched.check("models")
    assert last_error() == "/api/2.0/mlflow/registered-models/search responded 500"


def test_a_real_mlflow_that_is_well(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    with watching(tmp_path, mlflow_server.url) as watched:
        for path in DETAILED:
            assert watched.page(path)[:2] == (200, "ok")
        assert watched.doctor() == (0, {})
