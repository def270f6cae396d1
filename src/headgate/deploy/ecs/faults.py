"""The faults that a drill injects: what it changes in the copy of the template."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.preparing import Change


class Fault(StrEnum):
    """What is wrong with the revision."""

    CRASH = "crash"
    HANG = "hang"
    VERIFY = "verify"


def _crash(container: dict[str, Any]) -> None:
    container["command"] = ["this-command-does-not-exist"]


def _hang(container: dict[str, Any]) -> None:
    container["entryPoint"] = ["sleep"]
    container["command"] = ["86400"]


def _verify(container: dict[str, Any]) -> None:
    """MLflow is looked for where nothing listens; the gate itself starts, and lives."""
    nowhere = "http://127.0.0.1:9"
    environment = container.setdefault("environment", [])
    named = [each for each in environment if _names_mlflow(each["name"])]
    for each in named or [{"name": "MLFLOW_SERVER_URL"}]:
        each["value"] = nowhere
        if each not in environment:
            environment.append(each)


def _names_mlflow(variable: str) -> bool:
    return variable == "MLFLOW_SERVER_URL" or (
        variable.startswith("HEADGATE_UPSTREAMS__") and variable.endswith("__URL")
    )


INJECT: Final[Mapping[Fault, Change]] = {
    Fault.CRASH: _crash,
    Fault.HANG: _hang,
    Fault.VERIFY: _verify,
}

MEANING: Final[Mapping[Fault, str]] = {
    Fault.CRASH: "the gate's container exits as soon as it starts",
    Fault.HANG: "the gate's container runs and never becomes healthy",
    Fault.VERIFY: "the gate starts and is healthy, but does not find MLflow",
}

NOTICED: Final[Mapping[Fault, Step]] = {
    Fault.CRASH: Step.DEPLOYMENT,
    Fault.HANG: Step.DEPLOYMENT,
    Fault.VERIFY: Step.VERIFY,
}
"""The phase of the deployment that has to notice it."""
