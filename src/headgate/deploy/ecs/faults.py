"""The faults that a drill injects: what it changes in the copy of the template."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
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


def _verify(container: dict[str, Any], size: int) -> None:
    """The gate refuses uploads of half the size of the one that verification makes.

    Only verification is to notice: clients, but for those with such files, go on.
    """
    limit = str(max(1, size // 2))
    environment = container.setdefault("environment", [])
    limited = [each for each in environment if each["name"].endswith(_LIMIT)]
    if all(each["name"] != _LIMIT_OF_ALL for each in limited):
        limited.append({"name": _LIMIT_OF_ALL})
        environment.append(limited[-1])
    for each in limited:
        each["value"] = limit


_LIMIT: Final = "__ARTIFACT_BODY_BYTES"
_LIMIT_OF_ALL: Final = f"HEADGATE_LIMITS{_LIMIT}"
"""``limits.artifact_body_bytes``, which upstreams may set for themselves."""


def injecting(fault: Fault, size: int) -> Change:
    """What the fault changes; ``size`` is that of verification's large file, in bytes."""
    changes: Mapping[Fault, Change] = {
        Fault.CRASH: _crash,
        Fault.HANG: _hang,
        Fault.VERIFY: partial(_verify, size=size),
    }
    return changes[fault]


MEANING: Final[Mapping[Fault, str]] = {
    Fault.CRASH: "the gate's container exits as soon as it starts",
    Fault.HANG: "the gate's container runs and never becomes healthy",
    Fault.VERIFY: "the gate starts and is healthy, and refuses large files",
}

NOTICED: Final[Mapping[Fault, Step]] = {
    Fault.CRASH: Step.DEPLOYMENT,
    Fault.HANG: Step.DEPLOYMENT,
    Fault.VERIFY: Step.VERIFY,
}
"""The phase of the deployment that has to notice it."""
