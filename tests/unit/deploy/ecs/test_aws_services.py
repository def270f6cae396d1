"""The adapter's calls: its own deployment among others, and every page of long lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.plane import AwsPlane
from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.records import Target
from tests.support.aws_double import AwsDouble, ManualClock

MINE, OTHER = "arn:aws:ecs:r:1:task-definition/gate:7", "arn:aws:ecs:r:1:task-definition/gate:8"


class Ecs:
    """Deployments that begin when the service is updated, in the order of ``begins``."""

    def __init__(self, begins: dict[str, str], delay: int = 0) -> None:
        self.there = {"d0": "arn:aws:ecs:r:1:task-definition/gate:6"}
        self.begins = begins
        self.delay = delay
        self.updated = False

    def update(self, **_parameters: Any) -> dict[str, Any]:
        self.updated = True
        return {}

    def list(self, **parameters: Any) -> dict[str, Any]:
        if self.updated:
            self.delay -= 1
            if self.delay < 0:
                self.there |= self.begins
        names = list(self.there)
        at = int(parameters.get("nextToken", "0"))
        created = datetime(2026, 1, 1, tzinfo=UTC)
        page = [{"serviceDeploymentArn": names[at], "createdAt": created}]
        more = {"nextToken": str(at + 1)} if at + 1 < len(names) else {}
        return {"serviceDeployments": page, **more}

    def describe(self, **parameters: Any) -> dict[str, Any]:
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": arn,
                    "status": "IN_PROGRESS",
                    "targetServiceRevision": {"arn": f"r-{arn}"},
                }
                for arn in parameters["serviceDeploymentArns"]
            ]
        }

    def revisions(self, **parameters: Any) -> dict[str, Any]:
        arns = parameters["serviceRevisionArns"]
        return {
            "serviceRevisions": [
                {"serviceRevisionArn": arn, "taskDefinition": self.there[arn[2:]]} for arn in arns
            ]
        }


def plane(ecs: Ecs) -> AwsPlane:
    aws = AwsDouble(
        {
            "ecs.update_service": ecs.update,
            "ecs.list_service_deployments": ecs.list,
            "ecs.describe_service_deployments": ecs.describe,
            "ecs.describe_service_revisions": ecs.revisions,
        }
    )
    clock = ManualClock()
    return AwsPlane(Calls(clock, "eu-west-1", aws.client), Target("c", "gate"), clock)


@pytest.mark.parametrize(
    "begins", [{"d1": MINE}, {"d1": OTHER, "d2": MINE}, {"d2": MINE, "d3": OTHER}]
)
@pytest.mark.parametrize("delay", [0, 5])
def test_the_deployment_of_an_update_is_that_of_its_own_revision(
    begins: dict[str, str], delay: int
) -> None:
    wanted = next(name for name, revision in begins.items() if revision == MINE)
    assert plane(Ecs(begins, delay)).update(MINE).arn == wanted


@pytest.mark.parametrize("begins", [{}, {"d1": OTHER}])
def test_an_update_that_begins_no_deployment_of_its_own_says_so(begins: dict[str, str]) -> None:
    with pytest.raises(PlaneError, match="has begun no deployment of it within 60 s"):
        plane(Ecs(begins)).update(MINE)
