"""Blue/green, canary and linear deployments in the stand-in for ECS, without processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.testing.ecs.api import ApiError
from headgate.testing.ecs.documents import deployment_arn
from headgate.testing.ecs.model import FakeDeployment
from headgate.testing.ecs.shifting import STAGES
from tests.unit.testing.ecs.paper import Paper

BLUE, GREEN = "gate-blue", "gate-green"
BALANCED = {
    "loadBalancers": [
        {
            "targetGroupArn": f"arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/{BLUE}/1",
            "containerName": "gate",
            "containerPort": 8080,
            "advancedConfiguration": {
                "alternateTargetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:1:"
                f"targetgroup/{GREEN}/1"
            },
        }
    ]
}
CANARY: Mapping[str, Any] = {
    "strategy": "CANARY",
    "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5},
}
LINEAR: Mapping[str, Any] = {
    "strategy": "LINEAR",
    "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 2},
}
BLUE_GREEN: Mapping[str, Any] = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3}


class Model(Paper):
    """A service with two target groups; notes the stages and the shares of traffic that it saw."""

    def __init__(self, desired: int = 2, deployment: Mapping[str, Any] = BLUE_GREEN) -> None:
        super().__init__(desired, deployment, BALANCED)
        self.stages: list[str] = []
        self.shares: list[float] = []

    @property
    def last(self) -> FakeDeployment:
        """The latest deployment."""
        return self.service.deployments[-1]

    @property
    def production(self) -> dict[str, float]:
        """The groups that get traffic, and how much of it."""
        return {name: share for name, share in self.weights["production"].items() if share}

    def look(self) -> None:
        """Note where the deployment is; all traffic goes somewhere, and to tasks that serve."""
        stage, share = self.last.stage, self.production.get(GREEN, 0.0)
        if stage and stage not in self.stages[-1:]:
            self.stages.append(stage)
        if [share] != self.shares[-1:]:
            self.shares.append(share)
        assert sum(self.production.values()) == 100.0
        assert len(self.images()) >= self.desired
        if share < 100.0:
            assert self.images().count("good") >= self.desired
        if share > 0.0:
            assert self.images().count("new") >= self.desired

    def until(self, stage: str) -> None:
        """Let time pass until the deployment is in that stage."""
        for _ in range(5_000):
            if self.last.stage == stage:
                return
            self.look()
            self.pass_second()
        raise AssertionError(f"{stage} does not come")

    def seconds_in(self, stage: str) -> float:
        """How long that stage lasts from now on."""
        began = self.now
        while self.last.stage == stage and self.service.deployment is not None:
            self.look()
            self.pass_second()
        return self.now - began


def paused(stage: str, **limits: object) -> dict[str, Any]:
    """A configuration with a pause in that stage."""
    hook = {"targetType": "PAUSE", "lifecycleStages": [stage], "timeoutConfiguration": limits}
    return {**BLUE_GREEN, "lifecycleHooks": [hook]}


def test_the_first_deployment_gets_the_first_group() -> None:
    model = Model()
    assert model.last.status == "SUCCESSFUL"
    assert model.production == {BLUE: 100.0}
    assert model.images() == ["good", "good"]


def test_blue_green_goes_through_all_stages_and_moves_all_traffic_in_one_go() -> None:
    model = Model()
    model.update("new")
    assert model.run(model.look) == "SUCCESSFUL"
    assert model.stages == [each for each in STAGES if each in model.stages]
    assert {"SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"} <= set(model.stages)
    assert model.shares == [0.0, 100.0]
    assert model.images() == ["new", "new"]
    assert model.weights["test"] == {}


def test_the_next_deployment_returns_to_the_other_group() -> None:
    model = Model()
    for image, group in (("new", GREEN), ("good", BLUE), ("new", GREEN)):
        model.update(image)
        assert model.run(lambda: None) == "SUCCESSFUL"
        assert model.production == {group: 100.0}
        assert model.images() == [image] * 2


def test_both_sets_of_tasks_run_while_it_bakes() -> None:
    model = Model()
    model.update("new")
    model.until("BAKE_TIME")
    assert sorted(model.images()) == ["good", "good", "new", "new"]
    assert model.seconds_in("BAKE_TIME") == pytest.approx(180, abs=1)


def test_a_canary_gets_its_share_for_its_time_and_then_all() -> None:
    model = Model(deployment=CANARY)
    model.update("new")
    model.until("PRODUCTION_TRAFFIC_SHIFT")
    assert model.seconds_in("PRODUCTION_TRAFFIC_SHIFT") == pytest.approx(300, abs=1)
    assert model.run(model.look) == "SUCCESSFUL"
    assert model.shares == [0.0, 10.0, 100.0]


def test_linear_moves_the_traffic_in_equal_steps() -> None:
    model = Model(deployment=LINEAR)
    model.update("new")
    assert model.run(model.look) == "SUCCESSFUL"
    assert model.shares == [0.0, 25.0, 50.0, 75.0, 100.0]


@pytest.mark.parametrize("deployment", [BLUE_GREEN, CANARY, LINEAR])
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_500))
def test_a_stopped_deployment_returns_without_a_moment_in_which_nobody_serves(
    deployment: Mapping[str, Any], seconds: int
) -> None:
    model = Model(deployment=deployment)
    model.update("new")
    for _ in range(seconds):
        if model.service.deployment is None or model.last.stage == "CLEAN_UP":
            return
        model.look()
        model.pass_second()
    model.stop("ROLLBACK")
    assert model.run(lambda: None) == "ROLLBACK_SUCCESSFUL"
    assert model.production == {BLUE: 100.0}
    assert model.images() == ["good", "good"]
    assert model.last.rollback_reason


def test_tasks_that_end_get_no_traffic_and_a_stop_returns() -> None:
    model = Model()
    model.update("bad")
    for _ in range(300):
        model.pass_second()
        assert model.production == {BLUE: 100.0}
        assert model.images() == ["good", "good"]
    assert model.last.failed > 0
    assert model.last.stage == "SCALE_UP"
    model.stop("ROLLBACK")
    assert model.run(lambda: None) == "ROLLBACK_SUCCESSFUL"


@pytest.mark.parametrize(
    ("action", "status"), [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")]
)
def test_a_pause_ends_as_it_is_said(action: str, status: str) -> None:
    model = Model(deployment=BLUE_GREEN)
    model.service.document["deploymentConfiguration"] = paused("POST_TEST_TRAFFIC_SHIFT")
    model.update("new")
    model.until("POST_TEST_TRAFFIC_SHIFT")
    for _ in range(3_600):
        model.pass_second()
    assert model.last.stage == "POST_TEST_TRAFFIC_SHIFT"
    assert model.weights["test"] == {GREEN: 100.0}
    assert model.production == {BLUE: 100.0}
    (hook,) = model.last.hooks
    request = {
        "serviceDeploymentArn": deployment_arn(model.service, model.last),
        "hookId": hook["hookId"],
        "action": action,
    }
    model.ecs.continue_service_deployment(request)
    with pytest.raises(ApiError, match="No lifecycle hook waits"):
        model.ecs.continue_service_deployment(request)
    assert model.run(model.look if action == "CONTINUE" else lambda: None) == status


@pytest.mark.parametrize(
    ("after", "status"), [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")]
)
def test_a_pause_that_nobody_ends_times_out(after: str, status: str) -> None:
    model = Model(deployment=BLUE_GREEN)
    model.service.document["deploymentConfiguration"] = paused(
        "PRE_SCALE_UP", timeoutInMinutes=10, action=after
    )
    model.update("new")
    model.until("PRE_SCALE_UP")
    began = model.now
    assert model.run(lambda: None) == status
    assert model.now - began >= 600
    assert model.last.hooks[0]["status"] == "TIMED_OUT"


def test_another_deployment_waits_its_turn() -> None:
    model = Model()
    model.update("new")
    with pytest.raises(ApiError, match="has a deployment in progress"):
        model.update("newer")


def test_tasks_that_are_missing_while_it_is_steady_are_started() -> None:
    model = Model()
    model.tasks.leave(model.tasks.of(model.service)[0], model.now, "Scaling activity")
    for _ in range(600):
        model.pass_second()
    assert model.images() == ["good", "good"]
