"""``headgate ecs deploy`` on a service that shifts traffic: real gates and MLflow, under load.

The new tasks are verified through the test listener, in a pause before production traffic shifts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from headgate.deploy.ecs.pauses import STAGE
from headgate.deploy.outcome import ExitCode
from tests.support.ecs import Deployed, deployed
from tests.support.ecs_commands import Commands, commands
from tests.support.load import Load, running_load

# Minutes, most of them real gates and clients.
pytestmark = [pytest.mark.first, pytest.mark.timeout(1200)]

CANARY: Final[dict[str, Any]] = {
    "strategy": "CANARY",
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "bakeTimeInMinutes": 2,
    "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 2},
}
"""As the project's Terraform module has it, with shorter times."""
RUNS = 2  # of the client, before and after
TEST_TRAFFIC = "verify test traffic"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("ecs"), CANARY) as found:
        yield found


@pytest.fixture
def ecs(
    scene: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    return commands(scene, monkeypatch, capsys)


@pytest.fixture
def load(scene: Deployed, tmp_path: Path) -> Iterator[Load]:
    """MLflow's client, which logs runs through the production listener; none may fail."""
    with running_load(tmp_path, scene.url, scene.key, "load", 400) as running:
        running.go_on(RUNS)
        yield running
        running.go_on(RUNS)
        assert running.finish().failures == []


def deploy(ecs: Commands, tag: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Deploy with a pause in which the test listener is verified."""
    return ecs.deploy(tag, "--test-url", ecs.scene.plane.balancer.url("test"), *arguments)


def failed(document: dict[str, Any]) -> list[str]:
    """The phases that failed."""
    return [each["step"] for each in document["phases"] if not each["passed"]]


def test_production_traffic_shifts_after_the_test_traffic_was_verified(
    ecs: Commands, load: Load
) -> None:
    code, document = deploy(ecs, "1.1")
    assert code == ExitCode.DONE, json.dumps(document, indent=1)
    steps = [each["step"] for each in document["phases"]]
    assert TEST_TRAFFIC in steps
    assert steps[-2:] == ["watch traffic", "accept"]
    assert ecs.scene.running() == {"1.1"}
    (hook,) = ecs.scene.gate.deployments[-1].hooks
    assert (hook["status"], STAGE.lower() in hook["hookId"]) == ("SUCCEEDED", True)
    code, document = ecs.run("rollback", *ecs.verify())
    assert code == ExitCode.DONE, json.dumps(document, indent=1)
    assert ecs.scene.running() == {"1.0"}


def test_an_image_that_does_not_pass_sees_no_production_traffic(ecs: Commands, load: Load) -> None:
    balancer, before = ecs.scene.plane.balancer, ecs.scene.running()
    (serving,) = balancer.weights["production"]
    seen = len(balancer.seen)
    code, document = deploy(ecs, "unverifiable")
    assert code == ExitCode.ROLLED_BACK, json.dumps(document, indent=1)
    assert failed(document) == [TEST_TRAFFIC, "deployment"]
    assert ecs.scene.running() == before
    assert balancer.weights["production"] == {serving: 100.0}
    sent = {(each.listener, each.group) for each in balancer.seen[seen:]}
    assert {group for listener, group in sent if listener == "production"} == {serving}
    assert {group for listener, group in sent if listener == "test"} == {
        "gate-blue",
        "gate-green",
    } - {serving}


@pytest.mark.long
def test_an_image_that_never_becomes_healthy_is_given_up_in_time(ecs: Commands, load: Load) -> None:
    """No circuit breaker: AWS has it for rolling deployments alone."""
    before = ecs.scene.running()
    code, document = deploy(ecs, "hangs", "--timeout", "300")
    assert code == ExitCode.TIMED_OUT, json.dumps(document, indent=1)
    assert failed(document) == ["deployment"]
    assert ecs.scene.running() == before
