"""The task definitions that Terraform renders, given to what they are for: the gate, and ECS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.config import load
from tests.support.terraform import Workspace, resources


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.copy(tmp_path_factory.mktemp("rendered"))


def rendered(workspace: Workspace, name: str) -> Mapping[str, Any]:
    """The container that a module's test makes, with a mocked provider."""
    workspace.initialise(name)
    file = "-filter=tests/task_definition.tftest.hcl"
    lines = workspace.output(name, "test", "-json", "-verbose", file)
    for line in lines.splitlines():
        message = json.loads(line)
        if message.get("type") == "test_state" and message["@testrun"] == "task_definition":
            (definition,) = resources({"values": message["test_state"]}, "aws_ecs_task_definition")
            (container,) = json.loads(definition["values"]["container_definitions"])
            assert isinstance(container, dict)
            return container
    raise AssertionError("no state of the run task_definition")


def test_the_gate_accepts_the_environment_that_terraform_renders(
    workspace: Workspace, tmp_path: Path
) -> None:
    container = rendered(workspace, "modules/gateway")
    environment = {each["name"]: each["value"] for each in container["environment"]}
    secrets = {each["name"] for each in container["secrets"]}
    assert secrets == {"HEADGATE_AUTH__DATABASE_URL"}
    url = "postgresql://headgate:canary@db.invalid/headgate"
    given = {**environment, "HEADGATE_AUTH__DATABASE_URL": url}

    config = load(None, given)
    assert config.upstreams["default"].url == "http://mlflow.ml.internal:5000"
    assert config.limits.keepalive_timeout > 300
    assert config.listen.lame_duck + config.listen.drain_timeout < container["stopTimeout"]

    given |= {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "check"],
        env=given,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["gateway", "mlflow"])
def test_ecs_knows_all_parameters_of_a_container(workspace: Workspace, name: str) -> None:
    """Terraform passes the JSON on as it is: a misspelt parameter would have no effect."""
    from botocore.session import get_session  # noqa: PLC0415
    from botocore.validate import ParamValidator  # noqa: PLC0415

    container = rendered(workspace, f"modules/{name}")
    model = get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    parameters = {"family": name, "containerDefinitions": [container]}
    report = ParamValidator().validate(parameters, model.input_shape)
    assert not report.has_errors(), report.generate_report()
