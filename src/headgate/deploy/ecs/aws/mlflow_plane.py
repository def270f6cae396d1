"""What an upgrade of MLflow asks of its service, beside what deployments of a gate ask."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.cloudmap import dns_names
from headgate.deploy.ecs.aws.plane import AwsPlane
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.records import DnsName, Target, Task

STARTED_BY = "headgate-mlflow"


class AwsMlflowPlane(AwsPlane):
    """MLflow's service; see ``headgate.deploy.mlflow.hosts.ecs`` for the methods."""

    def __init__(self, calls: Calls, target: Target, clock: Clock) -> None:
        super().__init__(calls, target, clock)
        self._named = f"service '{target.service}' of cluster '{target.cluster}'"

    def scale(self, desired: int, revision: str = "") -> None:
        """Let the service have so many tasks, of another revision if one is given."""
        target = self._target
        self._calls.ask(
            permissions.UPDATE,
            self._named,
            cluster=target.cluster,
            service=target.service,
            desiredCount=desired,
            **({"taskDefinition": revision} if revision else {}),
        )

    def run_once(self, revision: str) -> Task:
        """Start a task of a revision in the service's network, outside of the service."""
        return self._start_task(revision, STARTED_BY)

    def running_of(self, family: str) -> Sequence[Task]:
        """The tasks of a family that are to run, of whichever service or none."""
        arns = list(
            self._calls.pages(
                permissions.LIST_TASKS,
                f"tasks of '{family}'",
                "taskArns",
                "nextToken",
                cluster=self._target.cluster,
                family=family,
                desiredStatus="RUNNING",
            )
        )
        return self._services.described(arns[:100]) if arns else ()

    def dns_names(self) -> Sequence[DnsName]:
        """The names that resolvers have for the tasks of the service."""
        return dns_names(self._calls, self.service())

    def stop_task(self, arn: str, why: str) -> None:
        """Let a task end; ``why`` is what ECS shows of it."""
        self._calls.ask(
            permissions.STOP_TASK,
            f"task {short(arn)}",
            cluster=self._target.cluster,
            task=arn,
            reason=why,
        )


def connect(target: Target, region: str | None, clock: Clock) -> AwsMlflowPlane:
    """AWS, with boto3's own credentials, profile and endpoints.

    Raises:
        PlaneError: no region is set, or there is no such profile.
    """
    return AwsMlflowPlane(Calls(clock, region), target, clock)
