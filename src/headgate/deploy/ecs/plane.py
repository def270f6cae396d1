"""What the commands ask of AWS; ``aws.py`` asks for real, tests ask a double."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headgate.deploy.ecs.records import (
    Caller,
    Deployment,
    Instance,
    Revision,
    Service,
    Task,
    Traffic,
)


class ControlPlane(Protocol):
    """One service of ECS, with what belongs to it.

    Every method raises ``PlaneError`` if AWS refuses or cannot be reached; throttling is retried
    within the adapter, with backoff.
    """

    def caller(self) -> Caller:
        """Who calls, and where."""

    def endpoint(self) -> str:
        """Where ECS is asked, if that is not AWS's own address; else empty."""

    def service(self) -> Service:
        """The service as it is now."""

    def deployments(self, limit: int = 10) -> Sequence[Deployment]:
        """Its deployments, the latest first."""

    def deployment(self, arn: str) -> Deployment:
        """One deployment."""

    def tasks(self, *, stopped: bool = False) -> Sequence[Task]:
        """Its tasks that are to run; with ``stopped`` those that stopped lately."""

    def revision(self, arn: str) -> Revision:
        """A revision of a task definition, by its ARN or ``family:number``."""

    def template(self) -> Revision:
        """The revision that Terraform made last, which deployments are cloned from."""

    def register(self, document: Mapping[str, Any], tags: Mapping[str, str]) -> Revision:
        """Register a new revision; ``document`` has only what ``RegisterTaskDefinition`` takes."""

    def deregister(self, revision: str) -> None:
        """Deregister a revision that no deployment ever used."""

    def update(self, revision: str, configuration: Mapping[str, Any] | None = None) -> Deployment:
        """Let the service move to a revision; the deployment that began, by its own ARN.

        ``configuration`` is a ``deploymentConfiguration``, such as one with a PAUSE hook; None
        leaves the service's own.
        """

    def stop(self, deployment: str) -> None:
        """Stop a deployment in progress and roll it back (``StopServiceDeployment``)."""

    def proceed(self, deployment: str, hook: str, *, roll_back: bool) -> None:
        """End the pause of a hook (``ContinueServiceDeployment``)."""

    def run_task(self, revision: str, command: Sequence[str]) -> Task:
        """Start a one-off task in the service's network, with another command of the gate's."""

    def task(self, arn: str) -> Task:
        """One task, also a one-off one."""

    def instances(self) -> Sequence[Instance]:
        """The instances in the service's Cloud Map service; empty if it has none."""

    def traffic(self, start: float, end: float) -> Traffic:
        """What the load balancer saw between two times, in seconds since the epoch."""

    def image_digest(self, image: str) -> str:
        """The image with its digest (``repository@sha256:…``) for a tag in ECR.

        An image that names its digest is returned as it is.
        """

    def image_exists(self, image: str) -> bool | None:
        """Whether ECR still has an image; None if it is in another registry."""

    def pinned(self, reference: str) -> str:
        """A secret's reference with the version that it has now (``valueFrom`` of ECS)."""

    def journal(self) -> str | None:
        """The text of the journal; None if nothing was deployed yet."""

    def write_journal(self, text: str) -> None:
        """Replace the journal, in its parameter of SSM."""

    def tag_service(self, tags: Mapping[str, str | None]) -> None:
        """Set tags of the service, which every operator sees; None removes one."""

    def acquire(self, text: str) -> str | None:
        """Take the lock of the service with ``Lock.to_text``; the text of who has it if others do.

        With the same nonce and a later end of the lease the lock is extended.
        """

    def release(self, text: str) -> None:
        """Give the lock back, if it still is the one with this text's nonce."""

    def lock(self) -> str | None:
        """The text of who has the lock; None if nobody has."""
