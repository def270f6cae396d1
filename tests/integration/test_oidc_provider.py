"""A real OpenID Connect provider: discovery, client credentials, and access tokens (RFC 9068)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import run_client
from tests.support.gate import LOG_SECONDS, Gate, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.oidc_provider import Client, OidcProvider, running_oidc_provider
from tests.support.raw import RawResponse

RESOURCE = "https://gate.example"
RSA_RESOURCE = "https://gate.example/rsa"  # for which the provider signs with RSA
LIFE = 3  # seconds
TRAINER = Client("trainer", secrets.token_urlsafe(32), roles=("Other", "Train"), projects=(7, 8))
STRANGER = Client("stranger", secrets.token_urlsafe(32), roles=("Other",), projects=(7,))
ELSEWHERE = Client("elsewhere", secrets.token_urlsafe(32), roles=("Train",), projects=(9,))
CONFIGURATION = """
[auth.issuers.provider]
issuer = "ISSUER"
audience = ["https://gate.example", "https://gate.example/rsa"]
principal = "client_id"

[[auth.issuers.provider.rules]]
when = { roles = "Train", projects = [7, 70] }
roles = ["writer"]
"""
LOG_A_RUN = """
import mlflow
with mlflow.start_run(experiment_id="0") as run:
    mlflow.log_metric("loss", 0.5)
print("logged", run.info.run_id)
"""


@dataclass(frozen=True)
class Scene:
    """A gate in front of MLflow that accepts the tokens of a provider."""

    gate: Gate
    provider: OidcProvider

    def ask(self, token: str) -> RawResponse:
        """Send one request with a token."""
        target = "/api/2.0/mlflow/experiments/search?max_results=1"
        return self.gate.ask("GET", target, key=token)


@pytest.fixture(scope="module")
def scene(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The gate knows nothing of the provider but its issuer, and discovers the rest."""
    folder = tmp_path_factory.mktemp("provider")
    clients = (TRAINER, STRANGER, ELSEWHERE)
    with (
        running_oidc_provider(folder, *clients) as provider,
        _running_gate(folder, mlflow_server.url, provider) as gate,
    ):
        yield Scene(gate, provider)


@contextmanager
def _running_gate(folder: Path, upstream: str, provider: OidcProvider) -> Iterator[Gate]:
    file = folder / "headgate.toml"
    file.write_text(CONFIGURATION.replace("ISSUER", provider.issuer))
    with running_gate(folder, upstream, {"HEADGATE_CONFIG": str(file)}) as gate:
        yield gate


@pytest.mark.parametrize("resource", [RESOURCE, RSA_RESOURCE], ids=["ES256", "RS256"])
def test_a_program_logs_a_run_with_its_access_token(scene: Scene, resource: str) -> None:
    token = scene.provider.token(TRAINER, resource)
    before = len(scene.gate.outcomes())
    done = run_client(LOG_A_RUN, scene.gate.url, {"MLFLOW_TRACKING_TOKEN": token})
    assert "logged " in done.stdout, done.stdout + done.stderr

    def logged() -> Mapping[str, Any] | None:
        lines = scene.gate.outcomes()[before:]
        return next((each for each in lines if each["principal"] == "trainer"), None)

    line = scene.gate.process.wait_until(logged, "a line of the client's", LOG_SECONDS)
    assert line["principal_id"] == "provider:trainer"


@pytest.mark.parametrize(
    ("client", "resource", "reason"),
    [
        (STRANGER, RESOURCE, "token_rule"),  # another role
        (ELSEWHERE, RESOURCE, "token_rule"),  # another project
        (TRAINER, "https://other.example", "token_audience"),
    ],
    ids=["another role", "another project", "another audience"],
)
def test_others_are_refused(scene: Scene, client: Client, resource: str, reason: str) -> None:
    response = scene.ask(scene.provider.token(client, resource))
    assert response.status == 401
    assert response.get("x-headgate-reason") == reason


def test_another_provider_is_refused(scene: Scene, tmp_path: Path) -> None:
    """It knows the same clients, and its keys have the same names."""
    with running_oidc_provider(tmp_path, TRAINER) as other:
        response = scene.ask(other.token(TRAINER, RESOURCE))
    assert response.get("x-headgate-reason") == "token_issuer"


def test_a_token_ends(tmp_path: Path) -> None:
    """No MLflow is needed to see that a token is no longer good."""
    with (
        running_oidc_provider(tmp_path, TRAINER, life=LIFE) as provider,
        _running_gate(tmp_path, "http://127.0.0.1:9", provider) as gate,
    ):
        scene, asked = Scene(gate, provider), time.time()
        token = provider.token(TRAINER, RESOURCE)

        def refused(reason: str) -> bool | None:
            return scene.ask(token).get("x-headgate-reason") == reason or None

        gate.process.wait_until(lambda: refused("upstream_connect"), "its acceptance", LIFE)
        gate.process.wait_until(lambda: refused("token_expired"), "its end", LIFE + 5)
        assert time.time() >= asked + LIFE - 1
