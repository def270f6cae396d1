"""The task definitions that the Terraform modules make, for a control plane that runs them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.terraform import resources

GOLDEN: Final = Path(__file__).parent / "terraform_tasks.json"
"""Those of ``examples/complete``, applied to moto; ids that AWS makes up are replaced."""
_MADE_UP: Final = (
    (r"\b(subnet|sg|vpc|eni|ns|srv|rtb|igw)-[0-9a-z]+", r"\1-0"),
    (r"(:secret:[\w/.+=@-]+?)-[A-Za-z0-9]{6}\b", r"\1-AAAAAA"),
    (r"(/ecs/[\w-]+-)\d{18,}[0-9a-f]*", r"\g<1>0"),
    (r"(role/[\w-]+?-)\d{18,}[0-9a-f]*", r"\g<1>0"),
    (r"([a-z]-)\d{18,}[0-9a-f]*", r"\g<1>0"),
)


def rendered_task_definitions() -> Sequence[Mapping[str, Any]]:
    """The parameters of ``RegisterTaskDefinition`` for each task of the complete example.

    From the committed file, so that Terraform is not needed; ``test_terraform_moto.py`` holds it
    equal to what Terraform makes.
    """
    found: Sequence[Mapping[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def task_definitions(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same from a state, as ``terraform show -json`` prints it."""
    return [_definition(each["values"]) for each in resources(state, "aws_ecs_task_definition")]


def comparable(definitions: Sequence[Mapping[str, Any]]) -> Any:
    """Task definitions without the ids that differ from one apply to the next."""
    text = json.dumps(definitions)
    for pattern, replacement in _MADE_UP:
        text = re.sub(pattern, replacement, text)
    return json.loads(text)


def _definition(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "family": values["family"],
        "taskRoleArn": values["task_role_arn"],
        "executionRoleArn": values["execution_role_arn"],
        "networkMode": values["network_mode"],
        "containerDefinitions": json.loads(values["container_definitions"]),
        "volumes": [{"name": each["name"]} for each in values["volume"]],
        "requiresCompatibilities": values["requires_compatibilities"],
        "cpu": values["cpu"],
        "memory": values["memory"],
    }
    for platform in values["runtime_platform"]:
        found["runtimePlatform"] = {
            "cpuArchitecture": platform["cpu_architecture"],
            "operatingSystemFamily": platform["operating_system_family"],
        }
    return found
