"""ECS on paper: its model without processes, with one service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from headgate.testing.ecs.api import Ecs
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.documents import deployment_arn
from headgate.testing.ecs.model import FakeService, FakeTask
from headgate.testing.ecs.tasks import Tasks

CLUSTER, SERVICE = "ml", "gate"
LONGEST = 20_000
"""Seconds of the model after which a deployment that goes on is taken for endless."""


class PaperTasks(Tasks):
    """Tasks without processes: those with the image ``bad`` end as soon as they run."""

    def _begin(self, task: FakeTask, now: float, service: FakeService | None) -> None:
        if task.definition.containers[0]["image"] == "bad":
            self._fail(task, now, "Essential container in task exited", "EssentialContainerExited")
            return
        task.status, task.ran = "RUNNING", now


class Paper:
    """ECS on paper, with one service that is steady with the image ``good``.

    Args:
        desired: how many tasks it has.
        deployment: its ``deploymentConfiguration``.
        more: what else its creation asks for.
    """

    def __init__(
        self, desired: int, deployment: Mapping[str, Any], more: Mapping[str, Any] | None = None
    ) -> None:
        self.now = 0.0
        self.weights: dict[str, dict[str, float]] = {}
        balancer = cast(Any, SimpleNamespace(groups={}, weights=self.weights))
        registry = cast(Any, SimpleNamespace(register=_nothing, deregister=_nothing))
        self.tasks = PaperTasks(Constants(), {}, str, balancer, registry, Path(), "9.9")
        self.ecs = Ecs(Constants(), self.tasks, balancer, lambda: self.now)
        self.ecs.clusters.add(CLUSTER)
        self.desired = desired
        self.ecs.create_service(
            {
                "cluster": CLUSTER,
                "serviceName": SERVICE,
                "taskDefinition": self.register("good"),
                "desiredCount": desired,
                "deploymentConfiguration": dict(deployment),
                **(more or {}),
            }
        )
        self.service = self.ecs.services[CLUSTER, SERVICE]
        self.run(check=_nothing)

    def register(self, image: str) -> str:
        """A revision with this image; its ARN."""
        request = {"family": SERVICE, "containerDefinitions": [{"name": "gate", "image": image}]}
        made = self.ecs.register_task_definition(request)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def update(self, image: str) -> None:
        """``UpdateService`` to an image."""
        revision = self.register(image)
        self.ecs.update_service(
            {"cluster": CLUSTER, "service": SERVICE, "taskDefinition": revision}
        )

    def stop(self, kind: str) -> None:
        """``StopServiceDeployment``."""
        found = self.service.deployments[-1]
        arn = deployment_arn(self.service, found)
        self.ecs.stop_service_deployment({"serviceDeploymentArn": arn, "stopType": kind})

    def pass_second(self) -> None:
        """Let a second pass."""
        self.now += 1
        self.ecs.pass_second()

    def run(self, check: Callable[[], None]) -> str:
        """Let time pass until the deployment ends, with a check each second; its last status."""
        for _ in range(LONGEST):
            check()
            if self.service.deployment is None:
                return self.service.deployments[-1].status
            self.pass_second()
        raise AssertionError("the deployment does not end")

    def images(self) -> list[str]:
        """The images of the tasks that serve."""
        there = self.tasks.of(self.service)
        return [each.definition.containers[0]["image"] for each in there if each.is_up]


def _nothing(*_arguments: object) -> None:
    """Do nothing."""
