"""``ControlPlane`` over boto3."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import lock, permissions
from headgate.deploy.ecs.aws import cloudmap
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.images import Images
from headgate.deploy.ecs.aws.parameters import Parameter
from headgate.deploy.ecs.aws.records import revision_record, tag_list
from headgate.deploy.ecs.aws.secrets import Secrets
from headgate.deploy.ecs.aws.services import Services
from headgate.deploy.ecs.aws.traffic import LoadBalancing
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.names import parameter, short
from headgate.deploy.ecs.records import (
    Caller,
    Deployment,
    Instance,
    Revision,
    Service,
    Target,
    Task,
    Traffic,
)

STARTED_BY = "headgate-ecs"


class AwsPlane:
    """One service of ECS; see ``ControlPlane`` for its methods."""

    def __init__(self, calls: Calls, target: Target, clock: Clock) -> None:
        self._calls = calls
        self._target = target
        self._clock = clock
        self._services = Services(calls, target, clock)
        self._images = Images(calls)
        self._secrets = Secrets(calls)
        self._balancing = LoadBalancing(calls)
        self._template = Parameter(calls, parameter(target, "template"))
        self._journal = Parameter(calls, parameter(target, "journal"))
        self._lock = Parameter(calls, parameter(target, "lock"))

    def caller(self) -> Caller:
        """See ``ControlPlane``."""
        response = self._calls.ask(permissions.IDENTITY, "the account")
        return Caller(response["Account"], response["Arn"], self._calls.region)

    def endpoint(self) -> str:
        """See ``ControlPlane``."""
        return self._calls.foreign_endpoint("ecs")

    def service(self) -> Service:
        """See ``ControlPlane``."""
        return self._services.service()

    def deployments(self, limit: int = 10) -> Sequence[Deployment]:
        """See ``ControlPlane``."""
        return self._services.deployments(limit)

    def deployment(self, arn: str) -> Deployment:
        """See ``ControlPlane``."""
        return self._services.deployment(arn)

    def tasks(self, *, stopped: bool = False) -> Sequence[Task]:
        """See ``ControlPlane``."""
        return self._services.tasks(stopped=stopped)

    def revision(self, arn: str) -> Revision:
        """See ``ControlPlane``."""
        response = self._calls.ask(
            permissions.TASK_DEFINITION,
            f"task definition '{short(arn)}'",
            taskDefinition=arn,
            include=["TAGS"],
        )
        return revision_record(response)

    def template(self) -> Revision:
        """See ``ControlPlane``."""
        found = self._template.read()
        if found is None:
            raise PlaneError(
                PlaneFailure.NOT_FOUND,
                f"there is no SSM parameter {self._template.name} in {self._calls.region}, which "
                "names the template that Terraform made: apply the module 'gateway' first, with "
                "this cluster and service",
            )
        return self.revision(found[0].strip())

    def register(self, document: Mapping[str, Any], tags: Mapping[str, str]) -> Revision:
        """See ``ControlPlane``."""
        response = self._calls.ask(
            permissions.REGISTER,
            f"task definition '{document.get('family', '')}'",
            **document,
            tags=tag_list(tags),
        )
        return revision_record(response)

    def deregister(self, revision: str) -> None:
        """See ``ControlPlane``."""
        self._calls.ask(
            permissions.DEREGISTER,
            f"task definition '{short(revision)}'",
            taskDefinition=revision,
        )

    def update(self, revision: str, configuration: Mapping[str, Any] | None = None) -> Deployment:
        """See ``ControlPlane``."""
        return self._services.update(revision, configuration)

    def stop(self, deployment: str) -> None:
        """See ``ControlPlane``."""
        self._services.stop(deployment)

    def proceed(self, deployment: str, hook: str, *, roll_back: bool) -> None:
        """See ``ControlPlane``."""
        self._services.proceed(deployment, hook, roll_back=roll_back)

    def run_task(self, revision: str, command: Sequence[str]) -> Task:
        """See ``ControlPlane``."""
        container = self._target.container
        overrides = {"containerOverrides": [{"name": container, "command": [*command]}]}
        return self._start_task(revision, STARTED_BY, overrides=overrides)

    def _start_task(self, revision: str, started_by: str, **more: object) -> Task:
        """Start a task of a revision in the service's network, outside of the service."""
        resource = f"a task of '{short(revision)}' in cluster '{self._target.cluster}'"
        response = self._calls.ask(
            permissions.RUN_TASK,
            resource,
            cluster=self._target.cluster,
            taskDefinition=revision,
            count=1,
            startedBy=started_by,
            # An attempt whose response was lost starts no second task.
            clientToken=secrets.token_hex(16),
            **more,
            **_placement(self.service().document),
        )
        tasks = response.get("tasks", ())
        if not tasks:
            raise PlaneError(
                PlaneFailure.OTHER,
                f"ECS did not start {resource}: {_failures(response)}",
                retryable=True,
            )
        return self.task(tasks[0]["taskArn"])

    def task(self, arn: str) -> Task:
        """See ``ControlPlane``."""
        found = self._services.described([arn])
        if not found:
            raise PlaneError(
                PlaneFailure.NOT_FOUND,
                f"there is no task {short(arn)} in cluster '{self._target.cluster}': ECS forgets "
                "tasks an hour after they stop",
            )
        return found[0]

    def instances(self) -> Sequence[Instance]:
        """See ``ControlPlane``."""
        return cloudmap.instances(self._calls, self.service())

    def traffic(self, start: float, end: float) -> Traffic:
        """See ``ControlPlane``."""
        return self._balancing.traffic(self.service(), start, end)

    def image_digest(self, image: str) -> str:
        """See ``ControlPlane``."""
        return self._images.digest(image)

    def image_exists(self, image: str) -> bool | None:
        """See ``ControlPlane``."""
        return self._images.exists(image)

    def pinned(self, reference: str) -> str:
        """See ``ControlPlane``."""
        return self._secrets.pinned(reference)

    def journal(self) -> str | None:
        """See ``ControlPlane``."""
        found = self._journal.read()
        return None if found is None else found[0]

    def write_journal(self, text: str) -> None:
        """See ``ControlPlane``."""
        self._journal.write(text)

    def tag_service(self, tags: Mapping[str, str | None]) -> None:
        """See ``ControlPlane``."""
        self._services.tag(tags)

    def acquire(self, text: str) -> str | None:
        """See ``ControlPlane``."""
        mine = lock.read_lock(text)
        held = lock.acquire(self._lock, self._lock.name, mine, self._clock.now())
        return None if held is None else held.to_text()

    def release(self, text: str) -> None:
        """See ``ControlPlane``."""
        lock.release(self._lock, self._lock.name, lock.read_lock(text).nonce)

    def lock(self) -> str | None:
        """See ``ControlPlane``."""
        held, _version = lock.current(self._lock, self._lock.name)
        return None if held is None else held.to_text()


def _placement(service: Mapping[str, Any]) -> dict[str, Any]:
    """Where the tasks of a service run, as ``RunTask`` takes it."""
    placed = {
        name: service[name]
        for name in ("networkConfiguration", "capacityProviderStrategy", "platformVersion")
        if service.get(name)
    }
    if "capacityProviderStrategy" not in placed and service.get("launchType"):
        placed["launchType"] = service["launchType"]
    return placed


def _failures(response: Mapping[str, Any]) -> str:
    """Why ``RunTask`` started nothing."""
    said = [
        " ".join(filter(None, (each.get("reason"), each.get("detail"))))
        for each in response.get("failures", ())
    ]
    return "; ".join(said) or "it gave no reason"


def connect(
    target: Target,
    region: str | None,
    clock: Clock,
    told: Callable[[str], None] = lambda _: None,
) -> AwsPlane:
    """AWS, with boto3's own credentials, profile and endpoints; ``told``: see ``Calls``.

    Raises:
        PlaneError: no region is set, or there is no such profile.
    """
    return AwsPlane(Calls(clock, region, told=told), target, clock)
