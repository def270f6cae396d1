"""The task definitions that Terraform renders, as processes on this machine can run them.

Everything is as it was rendered, except for what a process does not have and a container has: the
table ``OTHERWISE`` says what that is.  ``changed`` finds the differences, so that a test can hold
them to that table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from headgate.testing.ecs.runner import ADDRESS, FOLDER
from tests.support.terraform_tasks import rendered_task_definitions

GATE: Final = "headgate"
MLFLOW: Final = "mlflow"
"""The families, and the names of the containers."""
DATABASE: Final = {GATE: "headgate/database-url", MLFLOW: "mlflow/database-url"}
"""The secrets that the definitions name, by their family."""
PACE: Final = 20.0
"""Seconds of a container's own waiting that a process waits one second for."""

Where = tuple[str, ...]
"""A place in a definition: ``("environment", NAME)``, ``("command",)`` and the like."""
OTHERWISE: Final[Mapping[str, Mapping[Where, str]]] = {
    GATE: {
        ("image",): "the stand-in's registry has it",
        ("secrets", "HEADGATE_AUTH__DATABASE_URL"): "a secret's ARN is made up by AWS",
        ("environment", "HEADGATE_LISTEN__HOST"): "a task is an address of this machine",
        ("environment", "HEADGATE_OPS__LISTEN"): "a task is an address of this machine",
        ("environment", "HEADGATE_LISTEN__TRUSTED_PROXIES"): "the load balancer is 127.0.0.1",
        ("environment", "HEADGATE_DATA"): "what a container may write to is the task's folder",
        ("environment", "TMPDIR"): "what a container may write to is the task's folder",
        ("environment", "HEADGATE_LISTEN__LAME_DUCK"): "the model's time is faster",
    },
    MLFLOW: {
        ("image",): "the stand-in's registry has it",
        ("secrets", "MLFLOW_BACKEND_STORE_URI"): "a secret's ARN is made up by AWS",
        ("environment", "HOME"): "what a container may write to is the task's folder",
        ("environment", "TMPDIR"): "what a container may write to is the task's folder",
        ("command",): "a task is an address of this machine, and has not four processors",
        ("healthCheck",): "a task is an address of this machine",
        ("entryPoint",): "the model's time is faster",
    },
}
"""What is not as it was rendered, for each family, and why."""
BESIDE: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "a container gets credentials from its task role",
    "AWS_SECRET_ACCESS_KEY": "a container gets credentials from its task role",
    "AWS_EC2_METADATA_DISABLED": "a container gets credentials from its task role",
    "AWS_ENDPOINT_URL": "AWS is at its own address",
    "AWS_ENDPOINT_URL_S3": "AWS is at its own address",
    "AWS_REGION": "Fargate sets it",
    "HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": "a container asks the resolver of its VPC",
}
"""Variables that a process has besides, and where a container has them from."""


def rendered(family: str) -> dict[str, Any]:
    """A definition as Terraform rendered it."""
    (found,) = (each for each in rendered_task_definitions() if each["family"] == family)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # a copy to be changed


def shipped(
    family: str,
    image: str,
    secrets: Mapping[str, str],
    beside: Mapping[str, str],
    pace: float = PACE,
) -> dict[str, Any]:
    """A definition for the stand-in.

    Args:
        family: which.
        image: its name in the stand-in's registry.
        secrets: the ARN of each secret by its name.
        beside: some of the variables of ``BESIDE``.
        pace: by how much faster a process waits than a container, where it waits for itself.
    """
    assert beside.keys() <= BESIDE.keys(), beside.keys() - BESIDE.keys()
    made = rendered(family)
    (container,) = made["containerDefinitions"]
    container["image"] = image
    for each in container["secrets"]:
        each["valueFrom"] = secrets[_name_of(each["valueFrom"])]
    for each in container["environment"]:
        each["value"] = _value(each["name"], each["value"], pace)
    container["environment"] += [{"name": name, "value": beside[name]} for name in beside]
    if family == MLFLOW:
        container["command"] = _with(container["command"], "--workers", "1")
        container["command"] = [_local(each) for each in container["command"]]
        check = container["healthCheck"]
        check["command"] = [_local(each) for each in check["command"]]
        *program, seconds = container["entryPoint"]
        container["entryPoint"] = [*program, f"{float(seconds) / pace:g}"]
    return made


def _name_of(arn: str) -> str:
    return arn.rpartition(":secret:")[2].rpartition("-")[0]


def _local(text: str) -> str:
    """A container has a loopback, and all addresses, of its own."""
    return text.replace("0.0.0.0", ADDRESS).replace("127.0.0.1", ADDRESS)  # noqa: S104 - a text


_VALUES: Final[Mapping[str, Callable[[str, float], str]]] = {
    "HEADGATE_LISTEN__HOST": lambda text, _: _local(text),
    "HEADGATE_OPS__LISTEN": lambda text, _: _local(text),
    "HEADGATE_LISTEN__TRUSTED_PROXIES": lambda _text, _: "127.0.0.1/32",
    "HEADGATE_LISTEN__LAME_DUCK": lambda text, pace: f"{float(text) / pace:g}",
    "HEADGATE_DATA": lambda text, _: _below(text),
    "TMPDIR": lambda text, _: _below(text),
    "HOME": lambda text, _: _below(text),
}


def _value(name: str, text: str, pace: float) -> str:
    change = _VALUES.get(name)
    return text if change is None else change(text, pace)


def _below(path: str) -> str:
    assert path.startswith("/tmp"), path  # noqa: S108 - where a container may write
    return FOLDER + path.removeprefix("/tmp")  # noqa: S108


def _with(words: list[str], option: str, value: str) -> list[str]:
    at = words.index(option) + 1
    return [*words[:at], value, *words[at + 1 :]]


def changed(family: str, made: Mapping[str, Any]) -> Iterator[Where]:
    """Where a definition is not as Terraform rendered it."""
    before = rendered(family)
    for name in sorted({*before, *made} - {"containerDefinitions"}):
        if before.get(name) != made.get(name):
            yield (name,)
    (old,), (new,) = before["containerDefinitions"], made["containerDefinitions"]
    for name in sorted({*old, *new} - {"environment", "secrets"}):
        if old.get(name) != new.get(name):
            yield (name,)
    for part, key in (("environment", "value"), ("secrets", "valueFrom")):
        was, now = ({each["name"]: each[key] for each in of[part]} for of in (old, new))
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                yield (part, name)
