"""``headgate verify`` with the real client, through a real gate, against a real MLflow."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.support.certificates import Authority
from tests.support.gate import Gate, create_key, running_gate
from tests.support.keys import set_roles
from tests.support.mlflow_server import MlflowServer
from tests.support.patience import patience
from tests.support.processes import clean_environment
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, raw, response_bytes

VERIFY_SECONDS = 180
SMALL = ("--size", "1MiB")
DELETED = ("traces", "models", "logged-models", "runs", "experiments")
"""What verification deletes, besides files."""


@dataclass(frozen=True)
class Verification:
    """One run of the command with ``--json``."""

    code: int
    document: Mapping[str, Any]
    output: str
    """Everything it printed."""

    def results(self) -> dict[str, str]:
        return {step["name"]: step["result"] for step in self.document["steps"]}

    def failures(self) -> dict[str, Mapping[str, Any]]:
        return {step["name"]: step["failure"] for step in self.document["steps"] if step["failure"]}

    def step(self, name: str) -> Mapping[str, Any]:
        return next(step for step in self.document["steps"] if step["name"] == name)


def verify(url: str, environment: Mapping[str, str], *arguments: str) -> Verification:
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "verify", "--url", url, "--json", *arguments],
        env=clean_environment() | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(VERIFY_SECONDS),
        check=False,
    )
    assert done.stdout, done.stderr
    return Verification(done.returncode, json.loads(done.stdout), done.stdout + done.stderr)


def search(server: MlflowServer, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Ask MLflow itself, bypassing the gate."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/api/2.0/mlflow/{path}", json.dumps(query), headers)
        found: dict[str, Any] = json.load(connection.getresponse())
    finally:
        connection.close()
    return found


def experiments(server: MlflowServer, name: str) -> list[str]:
    """The ids of the experiments of this name that are not deleted."""
    query = {"filter": f"name = '{name}'", "max_results": 10, "view_type": "ACTIVE_ONLY"}
    found = search(server, "experiments/search", query)
    return [item["experiment_id"] for item in found.get("experiments", [])]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is taken and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("prefix", "variables", "arguments"),
    [
        pytest.param("", ["HEADGATE_API_KEY"], [], id="no prefix, Bearer, 128 MiB"),
        pytest.param(
            "/mlflow",
            ["MLFLOW_TRACKING_PASSWORD"],
            SMALL,
            id="/mlflow, Basic",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "/api/mlflow",
            ["MLFLOW_TRACKING_TOKEN"],
            SMALL,
            id="/api/mlflow, Bearer",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_step_passes_through_the_gate(
    prefix: str,
    variables: list[str],
    arguments: list[str],
    gate: Gate,
    key: str,
    mlflow_server: MlflowServer,
) -> None:
    """Whatever the prefix and the scheme; and nothing of it is left afterwards."""
    run = verify(gate.url + prefix, dict.fromkeys(variables, key), *arguments)
    assert run.failures() == {}
    assert set(run.results().values()) == {"passed"}
    assert run.code == 0
    assert run.document["leftovers"] == []
    assert experiments(mlflow_server, run.document["name"]) == []
    assert files_of(mlflow_server, run.document["name"]) == []
    assert key not in run.output


@pytest.mark.long
def test_settings_of_the_caller_do_not_matter(gate: Gate, key: str, tmp_path: Path) -> None:
    """A user name beside a token, a file of credentials, a netrc: each would win over the key."""
    folder = tmp_path / ".mlflow"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = wrong\n"
    )
    (tmp_path / ".netrc").write_text(f"machine {gate.host} login ann password wrong\n")
    settings = {
        "HOME": str(tmp_path),
        "HEADGATE_API_KEY": key,
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_RUN_ID": "0" * 32,
        "OTEL_TRACES_SAMPLER": "always_off",
    }
    run = verify(gate.url, settings, *SMALL)
    assert run.failures() == {}
    assert run.code == 0


def test_kept_things_stay(gate: Gate, key: str, mlflow_server: MlflowServer) -> None:
    run = verify(gate.url, {"HEADGATE_API_KEY": key}, "--keep", *SMALL)
    assert run.code == 0
    assert len(experiments(mlflow_server, run.document["name"])) == 1
    kept = {thing.rpartition(" ")[0] for thing in run.document["leftovers"]}
    assert kept == {
        *("experiment", "run", "registered model", "logged model", "trace"),
        *("files of the run", "files of the logged model"),
    }


def files_of(server: MlflowServer, name: str) -> list[str]:
    """What is left in the artifact store of the run and the models that were removed."""
    query = {"filter": f"name = '{name}'", "max_results": 10, "view_type": "ALL"}
    (experiment,) = search(server, "experiments/search", query)["experiments"]
    place = str(experiment["artifact_location"]).removeprefix("mlflow-artifacts:/")
    root = server.artifacts / place
    return [str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()]


def test_what_may_not_be_deleted_is_listed(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    """A key that may write artifacts and not delete them: the files stay, and no step fails."""
    grants = ["read:*", "write:*", *(f"delete:{each}" for each in DELETED)]
    key = create_key(tmp_path / "data", "tests")
    set_roles(tmp_path / "data", "tests", ["deploys"])
    roles = tmp_path / "headgate.toml"
    roles.write_text(f"[roles.deploys]\ngrants = {json.dumps(grants)}\n")
    with running_gate(tmp_path, mlflow_server.url, {"HEADGATE_CONFIG": str(roles)}) as gate:
        run = verify(gate.url, {"HEADGATE_API_KEY": key}, *SMALL)
    assert run.failures() == {}
    left = {thing.rpartition(" ")[0] for thing in run.document["leftovers"]}
    assert left == {"files of the run", "files of the logged model"}
    assert "its files stay: " in run.step("remove run")["detail"]
    assert "files/large.bin" in "".join(files_of(mlflow_server, run.document["name"]))


@pytest.fixture(scope="module")
def mutual(
    mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gate, dict[str, str], str]]:
    """A gate with a certificate of a private authority, which demands one of its clients.

    With it: the settings of a client that has both, and a key.
    """
    folder = tmp_path_factory.mktemp("mutual")
    authority = Authority(folder, "authority")
    server = authority.issue("gate", "127.0.0.1")
    client = authority.issue("client")
    both = folder / "client-with-key.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())
    key = create_key(folder / "data", "tests")
    tls = {
        "HEADGATE_LISTEN__TLS__CERTIFICATE": str(server.certificate),
        "HEADGATE_LISTEN__TLS__KEY": str(server.key),
        "HEADGATE_LISTEN__TLS__CLIENT_CA": str(authority.certificate),
    }
    settings = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.certificate),
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(both),
        "HEADGATE_API_KEY": key,
    }
    with running_gate(folder, mlflow_server.url, tls) as gate:
        yield gate, settings, key


def test_every_step_passes_with_a_private_authority_and_a_client_certificate(
    mutual: tuple[Gate, dict[str, str], str],
) -> None:
    """Also where requests, beneath MLflow's client and the exporter, learns of others."""
    gate, settings, _ = mutual
    assert gate.url.startswith("https://")
    settings = settings | {"REQUESTS_CA_BUNDLE": certifi.where(), "CURL_CA_BUNDLE": certifi.where()}
    run = verify(gate.url + "/mlflow", settings, *SMALL)
    assert run.failures() == {}
    assert len(run.results()) == 27
    assert set(run.results().values()) == {"passed"}
    assert run.step("trace over OTLP")["detail"].endswith("sent by OpenTelemetry's exporter")


@pytest.mark.long
def test_authorities_may_come_from_where_requests_looks(
    mutual: tuple[Gate, dict[str, str], str], tmp_path: Path
) -> None:
    gate, settings, _ = mutual
    settings = dict(settings)
    settings["REQUESTS_CA_BUNDLE"] = settings.pop("MLFLOW_TRACKING_SERVER_CERT_PATH")
    run = verify(gate.url, settings, *SMALL)
    assert run.failures() == {}
    assert run.code == 0


@pytest.mark.parametrize("lacking", [pytest.param("SERVER", marks=pytest.mark.long), "CLIENT"])
def test_a_certificate_that_is_lacking_is_named(
    mutual: tuple[Gate, dict[str, str], str], lacking: str
) -> None:
    gate, settings, _ = mutual
    name = f"MLFLOW_TRACKING_{lacking}_CERT_PATH"
    run = verify(gate.url, {each: settings[each] for each in settings if each != name}, *SMALL)
    assert run.code == 1
    failure = run.failures()["server version"]
    assert name in failure["action"]
    assert "_ssl.c" not in run.output


def doctor_cve(url: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headgate", "doctor", "cve", "--url", url, "--json"],
        env=clean_environment() | dict(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_doctor_cve_uses_the_same_certificates(mutual: tuple[Gate, dict[str, str], str]) -> None:
    gate, settings, _ = mutual
    done = doctor_cve(gate.url, settings)
    assert done.stderr == ""
    assert json.loads(done.stdout)["version"].startswith("3.")
    for name in ("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        lacking = {each: settings[each] for each in settings if each != name}
        failed = doctor_cve(gate.url, lacking)
        assert failed.returncode == 2
        (line,) = failed.stderr.splitlines()
        assert name in line
        assert "_ssl.c" not in line
        wrong = doctor_cve(gate.url, settings | {name: "/nowhere.pem"})
        assert wrong.returncode == 2
        assert f"{name} names /nowhere.pem" in wrong.stderr


def test_a_client_without_optional_packages(gate: Gate, key: str, tmp_path: Path) -> None:
    """Without scikit-learn the model is a pyfunc, without the exporter MLflow sends the trace."""
    interpreter = tmp_path / "python"
    interpreter.write_text(
        f"#!{sys.executable}\n"
        "import runpy, sys\n"
        "sys.modules['sklearn'] = sys.modules['opentelemetry.exporter'] = None\n"
        "sys.argv[:4] = ['headgate_verify']  # this file, -P, -m, the package\n"
        "runpy.run_module('headgate_verify', run_name='__main__')\n"
    )
    interpreter.chmod(0o755)
    run = verify(gate.url, {"HEADGATE_API_KEY": key}, "--python", str(interpreter), *SMALL)
    assert run.failures() == {}
    assert run.code == 0
    assert run.step("log and register model")["detail"].startswith("pyfunc")
    assert run.step("trace over OTLP")["detail"].endswith("sent by MLflow's HTTP client")


def test_an_unknown_key_is_refused_by_the_gate(gate: Gate) -> None:
    """One failure with its explanation; all that depends on it is skipped."""
    key = "hg_this-is-no-key-of-the-gate"
    run = verify(gate.url, {"HEADGATE_API_KEY": key}, *SMALL)
    assert run.code == 1
    assert list(run.failures()) == ["server version"]
    failure = run.failures()["server version"]
    assert (failure["request"], failure["status"]) == ("GET /version", 401)
    assert (failure["answered_by"], failure["reason"]) == ("gate", "unauthenticated")
    assert failure["request_id"]
    assert "headgate keys create" in failure["action"]
    assert run.step("create experiment")["detail"] == "needs server version"
    assert key not in run.output


def test_a_path_the_gate_does_not_serve(gate: Gate, key: str) -> None:
    run = verify(gate.url + "/elsewhere", {"HEADGATE_API_KEY": key}, *SMALL)
    failure = run.failures()["server version"]
    assert (failure["answered_by"], failure["reason"]) == ("gate", "route_unknown")
    assert "/api/mlflow" in failure["action"]


def test_mlflow_is_down_behind_the_gate(tmp_path: Path, closed_port: int) -> None:
    key = create_key(tmp_path / "data", "tests")
    with running_gate(tmp_path, f"http://127.0.0.1:{closed_port}") as gate:
        run = verify(gate.url, {"HEADGATE_API_KEY": key}, *SMALL)
    assert run.code == 1
    failure = run.failures()["server version"]
    assert (failure["status"], failure["answered_by"]) == (503, "gate")
    assert "Start MLflow" in failure["action"]


def test_nothing_listens(closed_port: int) -> None:
    run = verify(f"http://127.0.0.1:{closed_port}", {"HEADGATE_API_KEY": "a-key"}, *SMALL)
    assert run.code == 1
    failure = run.failures()["server version"]
    assert failure["answered_by"] == "nobody"
    assert f"Nothing listens at 127.0.0.1:{closed_port}" in failure["cause"]


def test_a_web_site_is_not_mlflow() -> None:
    page = response_bytes(b"<title>Log in</title>", "Server: nginx", content_type="text/html")
    with RecordingUpstream(raw(page)) as site:
        run = verify(site.url, {"HEADGATE_API_KEY": "a-key"}, *SMALL)
    failure = run.failures()["server version"]
    assert failure["answered_by"] == "other"
    assert "neither Headgate nor MLflow (nginx)" in failure["cause"]


def test_a_refusal_that_the_client_retries_is_still_explained() -> None:
    """urllib3 discards the responses it repeats; the report has the last one nevertheless."""
    refusal = fixed(
        b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "No MLflow server."}',
        "X-Headgate-Reason: no_endpoint",
        "X-Request-ID: r-1",
        status=503,
    )
    version = fixed(b"3.17.2")
    with RecordingUpstream(version, refusal) as server:
        run = verify(server.url, {"HEADGATE_API_KEY": "a-key"}, *SMALL)
    failure = run.failures()["create experiment"]
    assert failure["request"] == "POST /api/2.0/mlflow/experiments/create"
    assert (failure["status"], failure["reason"]) == (503, "no_endpoint")
    assert (failure["request_id"], failure["message"]) == ("r-1", "No MLflow server.")
