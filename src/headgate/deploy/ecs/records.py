"""What is known of a service: its revisions, deployments, tasks and instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """Which service: the names as ECS has them; ``container`` is the gate's in each task."""

    cluster: str
    service: str
    container: str = "headgate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls AWS, as STS says it."""

    account: str
    arn: str
    region: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a task definition.

    Attributes:
        arn: the full ARN, with family and number.
        document: what ``DescribeTaskDefinition`` has as ``taskDefinition``.
        tags: its tags.
    """

    arn: str
    document: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether a deployment may use it."""
        return self.document.get("status") == "ACTIVE"

    def container(self, name: str) -> Mapping[str, Any]:
        """One container definition.

        Raises:
            KeyError: there is none of that name.
        """
        for each in self.document.get("containerDefinitions", ()):
            if each.get("name") == name:
                return each  # type: ignore[no-any-return]
        raise KeyError(name)


class Strategy(Enum):
    """How a service replaces its tasks (``deploymentConfiguration.strategy``)."""

    ROLLING = "ROLLING"
    BLUE_GREEN = "BLUE_GREEN"
    LINEAR = "LINEAR"
    CANARY = "CANARY"


class DeploymentState(Enum):
    """The states of a service deployment (``ServiceDeploymentStatus``)."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCESSFUL = "SUCCESSFUL"
    STOPPED = "STOPPED"
    STOP_REQUESTED = "STOP_REQUESTED"
    ROLLBACK_REQUESTED = "ROLLBACK_REQUESTED"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_SUCCESSFUL = "ROLLBACK_SUCCESSFUL"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self in _FINAL

    @property
    def is_rollback(self) -> bool:
        """Whether ECS is returning, or has returned, to the revision before."""
        return self.name.startswith("ROLLBACK")


_FINAL = frozenset(
    {
        DeploymentState.SUCCESSFUL,
        DeploymentState.STOPPED,
        DeploymentState.ROLLBACK_SUCCESSFUL,
        DeploymentState.ROLLBACK_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service deployment, by its own ARN.

    Attributes:
        target: the ARN of the task definition that it brings.
        source: those that it replaces.
        stage: the stage of its life cycle, empty for rolling ones.
        paused_hooks: the ids of the PAUSE hooks that wait to be continued.
        started_at: seconds since the epoch; ``finished_at`` likewise, None while it runs.
        rollback_at: when ECS began to roll it back, likewise; None if it has not.
    """

    arn: str
    state: DeploymentState
    target: str
    source: Sequence[str] = ()
    reason: str = ""
    stage: str = ""
    paused_hooks: Sequence[str] = ()
    started_at: float = 0.0
    finished_at: float | None = None
    rollback_at: float | None = None

    @property
    def seconds_back(self) -> float:
        """How long ECS took to roll it back; 0 if it did not, or has not ended."""
        if self.rollback_at is None or self.finished_at is None:
            return 0.0
        return max(0.0, self.finished_at - self.rollback_at)


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the service.

    Attributes:
        status: ECS's ``lastStatus``; ``health`` is its ``healthStatus``.
        address: the private IPv4 address, if there is one yet.
        stopped_reason: why it stopped, with the exit code of the gate's container.
    """

    arn: str
    revision: str
    status: str
    health: str = "UNKNOWN"
    address: str = ""
    started_at: float | None = None
    stopped_reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that is registered in Cloud Map."""

    id: str
    address: str
    port: int | None
    health: str = ""


@dataclass(frozen=True, slots=True)
class DnsName:
    """The name of a service's tasks in DNS.

    Attributes:
        name: with the namespace.
        namespace: its id in Cloud Map.
        private: whether it is one of a VPC.
        absent: seconds for which resolvers may remember that the name has no address (the TTL of
            the SOA record); None if that was never set.
    """

    name: str
    namespace: str
    private: bool
    absent: int | None


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One line of what ECS says of the service."""

    id: str
    at: float
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is now.

    Attributes:
        revision: the ARN of the task definition of its primary deployment.
        tags: the service's own tags.
        document: what ``DescribeServices`` has of it.
    """

    arn: str
    revision: str
    desired: int
    running: int
    pending: int
    strategy: Strategy = Strategy.ROLLING
    events: Sequence[ServiceEvent] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the load balancer saw of the service in a time: counts, and a quantile in seconds.

    ``p99`` is None where there were no requests.
    """

    requests: float
    server_errors: float
    p99: float | None

    @property
    def error_rate(self) -> float:
        """The part of the requests that got a 5xx status."""
        return self.server_errors / self.requests if self.requests else 0.0
