"""``headgate ecs`` on a stand-in for ECS, with real gates and MLflow as tasks, under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.deploy.outcome import ExitCode
from tests.support.ecs import CLUSTER, SERVICE, Deployed, deployed
from tests.support.ecs_commands import SIZE, Commands, commands
from tests.support.load import Load, running_load

# Minutes, most of them real gates and clients.
pytestmark = [pytest.mark.first, pytest.mark.timeout(900)]

RUNS = 2  # of the client, before and after


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("ecs")) as found:
        yield found


@pytest.fixture
def ecs(
    scene: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    return commands(scene, monkeypatch, capsys)


@pytest.fixture
def load(scene: Deployed, tmp_path: Path) -> Iterator[Load]:
    """MLflow's client, which logs runs through the load balancer; none may fail."""
    with running_load(tmp_path, scene.url, scene.key, "load", 200) as running:
        running.go_on(RUNS)
        yield running
        running.go_on(RUNS)
        result = running.finish()
        assert result.failures == []


def test_a_good_image_is_deployed(ecs: Commands, load: Load) -> None:
    code, document = ecs.deploy("1.1")
    assert code == ExitCode.DONE, json.dumps(document, indent=1)
    assert ecs.scene.running() == {"1.1"}
    assert {each["step"] for each in document["phases"]} >= {
        "deployment",
        "verify",
        "watch traffic",
    }


@pytest.mark.parametrize("tag", ["crashes", "hangs", "unverifiable"])
def test_a_bad_image_is_rolled_back(ecs: Commands, load: Load, tag: str) -> None:
    before = ecs.scene.running()
    code, document = ecs.deploy(tag)
    assert code == ExitCode.ROLLED_BACK, json.dumps(document, indent=1)
    assert ecs.scene.running() == before


def test_a_deployment_in_progress_is_rolled_back(ecs: Commands, load: Load) -> None:
    scene, plane = ecs.scene, ecs.scene.plane
    before = scene.running()
    template = plane.ecs.describe_task_definition({"taskDefinition": SERVICE})["taskDefinition"]
    container = {**template["containerDefinitions"][0], "image": scene.image("hangs")}
    with plane.ecs.lock:
        made = plane.ecs.register_task_definition(
            {"family": SERVICE, "containerDefinitions": [container]}
        )
        revision = made["taskDefinition"]["taskDefinitionArn"]
        plane.ecs.update_service(
            {"cluster": CLUSTER, "service": SERVICE, "taskDefinition": revision}
        )
    plane.clock.sleep(60)  # the new tasks run, and are not healthy
    assert scene.running() > before
    code, _ = ecs.deploy("1.1")
    assert code == ExitCode.BUSY
    code, document = ecs.run("rollback", "--verify-url", scene.url, "--verify-size", SIZE)
    assert code == ExitCode.DONE, json.dumps(document, indent=1)
    assert scene.running() == before
    assert sum(each["seconds"] for each in document["phases"]) < 120
    _serves_as_before(scene)


def _serves_as_before(scene: Deployed) -> None:
    """The established health addresses respond, and clients work below every prefix."""
    for path in ("/health", "/mlflow/health", "/health/mlflow", "/-/livez", "/-/readyz"):
        with urllib.request.urlopen(f"{scene.url}{path}", timeout=20) as response:  # noqa: S310
            assert response.status == 200, path
    for prefix in ("/mlflow", "/api/mlflow"):
        command = [sys.executable, "-m", "headgate", "verify", "--size", SIZE]
        done = subprocess.run(
            [*command, "--url", scene.url + prefix],
            env={**os.environ, "MLFLOW_TRACKING_TOKEN": scene.key},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
