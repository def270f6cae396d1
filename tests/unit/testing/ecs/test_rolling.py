"""The rules of rolling deployments in the stand-in for ECS, without processes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.testing.ecs.api import ApiError
from headgate.testing.ecs.constants import Constants
from tests.unit.testing.ecs.paper import CLUSTER, SERVICE, Paper


class Model(Paper):
    """A service whose tasks are replaced in turn."""

    def __init__(self, desired: int, least: int, most: int) -> None:
        self.least, self.most = math.ceil(desired * least / 100), math.floor(desired * most / 100)
        limits = {"minimumHealthyPercent": least, "maximumPercent": most}
        super().__init__(
            desired, {"deploymentCircuitBreaker": {"enable": True, "rollback": True}, **limits}
        )

    def within_limits(self) -> None:
        """Enough tasks serve, and there are not too many."""
        there = self.tasks.of(self.service)
        serving = sum(each.is_up for each in there)
        assert serving >= self.least, self.service.events[:5]
        assert len(there) <= self.most, self.service.events[:5]


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Services of all sizes whose limits leave room for a deployment."""
    desired = draw(st.integers(1, 9))
    least = draw(st.integers(0, 100))
    lowest = math.ceil(desired * least / 100)
    # ECS itself makes no progress where the maximum leaves no room above the minimum.
    first = math.ceil(100 * max(lowest + 1, desired) / desired)
    return Model(desired, least, draw(st.integers(first, max(first, 200))))


@settings(max_examples=40, deadline=None)
@given(models(), st.sampled_from(["new", "bad"]))
def test_a_deployment_ends_within_the_limits_of_its_service(model: Model, image: str) -> None:
    model.update(image)
    expected = "ROLLBACK_SUCCESSFUL" if image == "bad" else "SUCCESSFUL"
    assert model.run(model.within_limits) == expected
    assert model.images() == ["good" if image == "bad" else image] * model.desired


@settings(max_examples=40, deadline=None)
@given(models(), st.integers(0, 600))
def test_a_stopped_deployment_returns_within_the_limits(model: Model, seconds: int) -> None:
    model.update("new")
    for _ in range(seconds):
        if model.service.deployment is None:
            return
        model.pass_second()
        model.within_limits()
    if model.service.deployment is None:
        return
    model.stop("ROLLBACK")
    assert model.run(model.within_limits) == "ROLLBACK_SUCCESSFUL"
    assert model.images() == ["good"] * model.desired


def test_a_return_waits_for_room_below_the_maximum() -> None:
    model = Model(4, 100, 125)
    model.update("new")
    while model.images().count("new") < 3:
        model.pass_second()
    model.stop("ROLLBACK")
    assert model.run(model.within_limits) == "ROLLBACK_SUCCESSFUL"
    assert model.images() == ["good"] * 4


@settings(max_examples=20, deadline=None)
@given(models(), st.integers(0, 200), st.sampled_from(["new", "bad"]))
def test_a_deployment_may_take_the_place_of_another(model: Model, seconds: int, image: str) -> None:
    model.update(image)
    for _ in range(seconds):
        model.pass_second()
        model.within_limits()
    model.update("newer")
    assert model.run(model.within_limits) == "SUCCESSFUL"
    assert model.images() == ["newer"] * model.desired


@pytest.mark.parametrize(
    ("desired", "threshold"), [(1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (800, 200)]
)
def test_the_circuit_breaker_acts_at_half_the_desired_count(desired: int, threshold: int) -> None:
    assert Constants().breaker(desired) == threshold


def test_the_circuit_breaker_acts_after_as_many_failures() -> None:
    model = Model(8, 100, 125)
    model.update("bad")
    assert model.run(model.within_limits) == "ROLLBACK_SUCCESSFUL"
    failed = model.service.deployments[-1].failed
    assert 4 <= failed <= 4 + 1, "two tasks fail together, as 125 % leave room for two"


def test_an_aborted_deployment_is_stopped_where_it_is() -> None:
    model = Model(2, 100, 200)
    model.update("new")
    model.stop("ABORT")
    assert model.service.deployments[-1].status == "STOPPED"
    with pytest.raises(ApiError, match="STOPPED already"):
        model.stop("ROLLBACK")


def test_an_inactive_revision_is_not_deployed() -> None:
    model = Model(1, 100, 200)
    revision = model.register("new")
    model.ecs.deregister_task_definition({"taskDefinition": revision})
    with pytest.raises(ApiError, match="inactive"):
        model.ecs.update_service(
            {"cluster": CLUSTER, "service": SERVICE, "taskDefinition": revision}
        )
    assert model.service.deployment is None
