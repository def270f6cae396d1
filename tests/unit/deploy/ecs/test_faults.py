"""What a drill's faults change in the gate's container."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.deploy.ecs.faults import Fault, injecting

ALL = "HEADGATE_LIMITS__ARTIFACT_BODY_BYTES"
OWN = "HEADGATE_UPSTREAMS__TEAM__LIMITS__ARTIFACT_BODY_BYTES"


def changed(fault: Fault, size: int, **environment: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "headgate", "command": ["serve"]}
    if environment:
        container["environment"] = [{"name": k, "value": v} for k, v in environment.items()]
    injecting(fault, size)(container)
    return container


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["environment"]}


@pytest.mark.parametrize(
    "environment", [{}, {ALL: "0"}, {ALL: "1GiB", OWN: "2GiB", "A": "b"}, {OWN: "0"}]
)
def test_a_file_of_verification_is_refused_at_every_upstream(environment: dict[str, str]) -> None:
    found = variables(changed(Fault.VERIFY, 1024, **environment))
    limits = {name: found.pop(name) for name in (ALL, OWN) if name in found}
    assert set(limits) == {ALL, *(environment.keys() & {OWN})}
    assert set(limits.values()) == {"512"}
    assert found == {name: value for name, value in environment.items() if name not in limits}


def test_a_limit_is_never_the_word_for_unlimited() -> None:
    assert variables(changed(Fault.VERIFY, 1))[ALL] == "1"


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.HANG])
def test_other_faults_change_the_command_alone(fault: Fault) -> None:
    container = changed(fault, 1024, A="b")
    assert variables(container) == {"A": "b"}
    assert "serve" not in container["command"]
