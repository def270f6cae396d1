"""The state of the stand-in: task definitions, services, deployments and tasks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.testing.ecs.runner import Container

REGION = "eu-central-1"
ACCOUNT = "123456789012"


def arn(service: str, resource: str) -> str:
    """An ARN of the stand-in's account and region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


@dataclass
class Definition:
    """A revision of a task definition, as ``DescribeTaskDefinition`` has it."""

    document: dict[str, Any]
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """Its full ARN."""
        return str(self.document["taskDefinitionArn"])

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """Its container definitions."""
        return list(self.document["containerDefinitions"])


@dataclass
class FakeTask:
    """A task, from its request to its end.

    Attributes:
        number: the number of the deployment that started it; 0 for a one-off task.
        slot: which of the two target groups of a blue/green service it joins.
        began: when it was asked for, in seconds of the model; ``ran``, ``stopping``, ``ended``
            and ``drained`` likewise, None until it happens.
    """

    id: str
    cluster: str
    family: str
    definition: Definition
    address: str
    number: int
    began: float
    service: str = ""
    slot: int = 0
    command: list[str] | None = None
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    health: str = "UNKNOWN"
    ran: float | None = None
    leaving: float | None = None
    stopping: float | None = None
    ended: float | None = None
    reason: str = ""
    stop_code: str = ""
    failures: int = 0
    checked: float = 0.0
    containers: list[Container] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("ecs", f"task/{self.cluster}/{self.id}")

    @property
    def is_up(self) -> bool:
        """Whether it runs and is to go on."""
        return self.status == "RUNNING" and self.desired == "RUNNING"


@dataclass
class FakeDeployment:
    """One service deployment.

    Attributes:
        number: counts the deployments of the service, from 1.
        target: the revision that it brings; ``source`` the one that it replaces, None for the
            first.
        slot: which of the two target groups of a blue/green service its tasks join.
        failed: tasks of the target that ended before they were healthy.
    """

    number: int
    id: str
    target: Definition
    source: Definition | None
    slot: int
    created: float
    configuration: dict[str, Any]
    status: str = "IN_PROGRESS"
    reason: str = ""
    stage: str = ""
    stage_began: float = 0.0
    hooks: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0
    finished: float | None = None
    stopped: float | None = None
    rollback_reason: str = ""
    rollback_began: float | None = None
    alarms_triggered: list[str] = field(default_factory=list)

    @property
    def rolling_back(self) -> bool:
        """Whether the tasks of the source are wanted again."""
        return self.status in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


@dataclass
class FakeService:
    """A service: what it was made with, and what became of it.

    ``steady`` is the deployment whose tasks serve; ``deployment`` the one under way, if any.
    """

    name: str
    cluster: str
    desired: int
    document: dict[str, Any]
    created: float
    tags: list[dict[str, str]] = field(default_factory=list)
    deployments: list[FakeDeployment] = field(default_factory=list)
    steady: FakeDeployment | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("ecs", f"service/{self.cluster}/{self.name}")

    @property
    def deployment(self) -> FakeDeployment | None:
        """The deployment that is under way."""
        last = self.deployments[-1] if self.deployments else None
        return last if last is not None and not last.is_final else None

    @property
    def configuration(self) -> dict[str, Any]:
        """Its ``deploymentConfiguration``."""
        return dict(self.document.get("deploymentConfiguration", {}))

    @property
    def strategy(self) -> str:
        """How its tasks are replaced."""
        return str(self.configuration.get("strategy", "ROLLING"))

    def note(self, at: float, message: str) -> None:
        """Add an event, the latest first, as ECS lists them."""
        self.events.insert(
            0,
            {
                "id": f"{len(self.events):08x}-{self.name}",
                "createdAt": at,
                "message": f"(service {self.name}) {message}",
            },
        )
