"""MLflow as a service of ECS: stopped, migrated by a task of its own, and started.

A version is a revision of the service's task definition.  One that does not exist yet is written as
the revision that it is made from, and an image (``ARN+IMAGE``): it is registered when it is needed,
and known again by its tags.

The service is stopped by a desired count of 0; the count before is kept in a tag of the service,
so that it outlives the command.  The migration is a task outside of the service, of a task
definition of its own (``FAMILY-migration``): the service's, with another entry point.  A command
that is killed cannot end it; the task counts as a process of MLflow, so that nothing is restored
beside it, and ``stop`` ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from headgate.deploy.clock import Clock
from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.records import (
    Deployment,
    DeploymentState,
    DnsName,
    Revision,
    Service,
    Target,
    Task,
)
from headgate.deploy.ecs.template import TemplateError
from headgate.deploy.mlflow.ecs_definitions import (
    FROM_TAG,
    VERSION_TAG,
    container_of,
    copy_of,
    image_of,
    log_of,
    migration,
    migration_family,
    number_in,
    place_of,
    sibling,
)
from headgate.deploy.mlflow.ecs_names import forgotten_late
from headgate.deploy.mlflow.errors import HostError, MigrationError, NoSuchVersionError
from headgate.deploy.mlflow.records import Standing, Version, Writer

CONTAINER: Final = "mlflow"
"""The name that Terraform's module gives it."""
POLL: Final = 5.0
"""Seconds between two looks at the task that migrates."""
ENDING: Final = 150.0
"""Seconds that a task has to end: ECS kills a container 120 s after it asked, at the latest."""
FAILED_TASKS: Final = 2
"""So many tasks of a version that ended by themselves: it does not start."""
DESIRED_TAG: Final = "headgate:mlflow-desired"
"""Tag of the service: its desired count before it was stopped."""
_REVISION: Final = re.compile(r"[A-Za-z0-9_-]+:[0-9]+")


class MlflowPlane(Protocol):
    """What is asked of AWS, with ``PlaneError`` if it refuses; see ``ControlPlane``."""

    def service(self) -> Service:
        """The service as it is now."""

    def deployments(self, limit: int = 10) -> Sequence[Deployment]:
        """Its deployments, the latest first."""

    def tasks(self, *, stopped: bool = False) -> Sequence[Task]:
        """Its tasks that are to run; with ``stopped`` those that stop, or stopped lately."""

    def task(self, arn: str) -> Task:
        """One task."""

    def revision(self, arn: str) -> Revision:
        """A revision of a task definition, by its ARN or ``family:number``."""

    def register(self, document: Mapping[str, Any], tags: Mapping[str, str]) -> Revision:
        """Register a new revision."""

    def deregister(self, revision: str) -> None:
        """Deregister a revision; what runs of it goes on."""

    def image_digest(self, image: str) -> str:
        """The image with its digest."""

    def tag_service(self, tags: Mapping[str, str | None]) -> None:
        """Set tags of the service; None removes one."""

    def scale(self, desired: int, revision: str = "") -> None:
        """Let the service have so many tasks, of another revision if one is given."""

    def run_once(self, revision: str) -> Task:
        """Start a task of a revision in the service's network, outside of the service."""

    def running_of(self, family: str) -> Sequence[Task]:
        """The tasks of a family that are to run."""

    def stop_task(self, arn: str, why: str) -> None:
        """Let a task end."""

    def dns_names(self) -> Sequence[DnsName]:
        """The names that resolvers have for the tasks of the service."""


class EcsHost:
    """One service of ECS; see ``Host`` for its methods.

    Args:
        target: which; its container is MLflow's.
        plane: AWS.
        clock: waits for the task that migrates.
        revisions_of: the Alembic revisions of a version of MLflow, its head last; raises
            ``NoSuchVersionError`` for one that is not known.
        running: the number of the version that runs, where neither the tag of its image nor a tag
            of its revision says it; empty if it is to be found there.
    """

    def __init__(
        self,
        target: Target,
        plane: MlflowPlane,
        clock: Clock,
        revisions_of: Callable[[str], Sequence[str]],
        running: str = "",
    ) -> None:
        self._target = target
        self._plane = plane
        self._clock = clock
        self._revisions_of = revisions_of
        self._running = running
        self._registered: dict[str, str] = {}
        self._known_tasks: frozenset[str] = frozenset()
        self._known_deployment = ""

    def name(self) -> str:
        """See ``Host``."""
        return f"ECS service '{self._target.service}' of cluster '{self._target.cluster}'"

    def current(self) -> Version:
        """See ``Host``."""
        with _as_host_error():
            revision = self._current_revision()
        return self._version(self._number_of(revision), place_of(revision, self._target.container))

    def find(self, wanted: str) -> Version:
        """See ``Host``; besides, an image with a tag or a digest, or ``family:number``."""
        with _as_host_error():
            current = self._current_revision()
            if "+" in wanted:
                return self._of_place(wanted)
            family = short(current.arn).partition(":")[0]
            if wanted.startswith("arn:") or (
                _REVISION.fullmatch(wanted) and wanted.startswith(f"{family}:")
            ):
                return self._of_revision(self._plane.revision(wanted))
            image = (
                wanted
                if set(wanted) & {":", "@", "/"}
                else sibling(image_of(current, self._target.container), wanted)
            )
            number = number_in(image)
            if not number:
                raise NoSuchVersionError(
                    f"the name of the image '{image}' does not say which version of MLflow it has: "
                    "give it with a tag such as 3.17.2, which may be followed by @sha256:DIGEST"
                )
            return self._version(number, f"{current.arn}+{self._plane.image_digest(image)}")

    def obstacles(self) -> Sequence[str]:
        """See ``Host``.  While it is stopped, its name in DNS has no address."""
        with _as_host_error():
            return forgotten_late(self._plane.dns_names())

    def revisions(self, version: Version) -> Sequence[str]:
        """See ``Host``."""
        return self._revisions_of(version.number)

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        """See ``Host``.  MLflow's own are connected from the addresses of its tasks."""
        with _as_host_error():
            tasks = (*self._plane.tasks(), *self._plane.tasks(stopped=True))
        own = {each.address for each in tasks if each.address and each.status != "STOPPED"}
        return [each for each in writers if each.address not in own]

    def look(self) -> Standing:
        """See ``Host``."""
        with _as_host_error():
            service = self._plane.service()
            revision = self._plane.revision(service.revision)
            tasks = self._plane.tasks()
            stopped = self._plane.tasks(stopped=True)
            leaving = [each for each in stopped if each.status != "STOPPED"]
            migrating = self._migrating(revision)
            newest = next(iter(self._plane.deployments(1)), None)
        fit = [
            each for each in tasks if each.revision == revision.arn and self._fit(each, revision)
        ]
        failed = self._failure(newest, stopped, revision) if service.desired else ""
        doing = f"{len(fit)} of {service.desired} tasks run"
        return Standing(
            place=place_of(revision, self._target.container),
            processes=len(tasks) + len(leaving) + len(migrating),
            healthy=bool(fit) and len(fit) == len(tasks) == service.desired and not leaving,
            failed=bool(failed),
            note=failed or (f"{doing}, and a migration" if migrating else doing),
        )

    def stop(self) -> None:
        """See ``Host``."""
        with _as_host_error():
            service = self._plane.service()
            if service.desired:
                self._plane.tag_service({DESIRED_TAG: str(service.desired)})
                self._plane.scale(0)
            for each in self._migrating(self._plane.revision(service.revision)):
                self._plane.stop_task(each.arn, "MLflow is to stop")

    def start(self, version: Version) -> None:
        """See ``Host``."""
        with _as_host_error():
            service = self._plane.service()
            kept = service.tags.get(DESIRED_TAG, "")
            desired = int(kept) if kept.isdecimal() and int(kept) else max(1, service.desired)
            revision = self._ensured(version)
            if service.revision != revision or service.desired != desired:
                self._known_tasks = frozenset(each.arn for each in self._plane.tasks(stopped=True))
                newest = next(iter(self._plane.deployments(1)), None)
                self._known_deployment = "" if newest is None else newest.arn
                self._plane.scale(desired, revision)
            if kept:
                self._plane.tag_service({DESIRED_TAG: None})

    def migrate(self, version: Version, limit: float) -> str:
        """See ``Host``.  A task that an earlier command left behind is ended first."""
        with _as_host_error():
            revision = self._plane.revision(self._ensured(version))
            left = self._migrating(revision)
            for each in left:
                self._end(each, "another migration is to begin")
            document = migration(revision, self._target.container)
            made = self._plane.register(document, {FROM_TAG: revision.arn})
            try:
                task = self._plane.run_once(made.arn)
                return self._followed(task, limit, log_of(document, self._target.container))
            finally:
                # What runs of it goes on, and is not found by this; it is not to be started again.
                with suppress(PlaneError):
                    self._plane.deregister(made.arn)

    # --- versions ------------------------------------------------------------------------------

    def _current_revision(self) -> Revision:
        return self._plane.revision(self._plane.service().revision)

    def _of_place(self, place: str) -> Version:
        """A version whose revision does not exist yet, as the journal names it."""
        base, _, image = place.partition("+")
        current = self._current_revision()
        if place == place_of(current, self._target.container):
            return self._of_revision(current)
        raise NoSuchVersionError(
            f"{self.name()} runs no copy of {short(base)} with the image {image}: name the image "
            "with its tag"
        )

    def _of_revision(self, revision: Revision) -> Version:
        return self._version(self._number_of(revision), place_of(revision, self._target.container))

    def _number_of(self, revision: Revision) -> str:
        image = image_of(revision, self._target.container)
        found = revision.tags.get(VERSION_TAG) or number_in(image) or self._running
        if not found:
            raise HostError(
                f"{short(revision.arn)} names its image without a version ({image}): say which "
                "version of MLflow it has with --running"
            )
        return found

    def _version(self, number: str, place: str) -> Version:
        return Version(number, self._revisions_of(number)[-1], place)

    def _ensured(self, version: Version) -> str:
        """The ARN of a version's revision, which is registered if it does not exist yet."""
        base, plus, image = version.place.partition("+")
        if not plus:
            return base
        current = self._current_revision()
        if place_of(current, self._target.container) == version.place:
            return current.arn
        if version.place not in self._registered:
            of = self._plane.revision(base)
            document, tags = copy_of(of, self._target.container, image, version.number)
            self._registered[version.place] = self._plane.register(document, tags).arn
        return self._registered[version.place]

    # --- how tasks stand -----------------------------------------------------------------------

    def _fit(self, task: Task, revision: Revision) -> bool:
        """Whether it runs, and passes the health check that it has."""
        container = container_of(revision, self._target.container)
        wanted = ("HEALTHY",) if container.get("healthCheck") else ("HEALTHY", "UNKNOWN")
        return task.status == "RUNNING" and task.health in wanted

    def _failure(
        self, newest: Deployment | None, stopped: Sequence[Task], revision: Revision
    ) -> str:
        """Why what was started last will not become healthy; empty if it may."""
        ended = [
            each
            for each in stopped
            if each.status == "STOPPED"
            and each.arn not in self._known_tasks
            and (newest is None or each.revision in (revision.arn, newest.target))
        ]
        why = ended[-1].stopped_reason if ended else ""
        if newest is not None and newest.arn != self._known_deployment and _given_up(newest.state):
            return f"ECS gave up its deployment: {why or newest.reason or newest.state.value}"
        if len(ended) >= FAILED_TASKS:
            return f"its tasks end: {why or 'ECS gives no reason'}"
        return ""

    # --- the migration -------------------------------------------------------------------------

    def _migrating(self, revision: Revision) -> Sequence[Task]:
        return self._plane.running_of(migration_family(revision.arn))

    def _followed(self, task: Task, limit: float, log: str) -> str:
        deadline = self._clock.monotonic() + limit
        try:
            while task.status != "STOPPED":
                if self._clock.monotonic() >= deadline:
                    raise MigrationError(
                        f"mlflow db upgrade has not ended within {limit:.0f} s: task "
                        f"{short(task.arn)} was stopped; {log}"
                    )
                self._clock.sleep(POLL)
                task = self._seen(task)
        except BaseException:  # failed or interrupted, no task may go on to migrate
            self._end(task, "the migration is broken off")
            raise
        if task.exit_code != 0:
            raise MigrationError(
                f"mlflow db upgrade failed: task {short(task.arn)} stopped: "
                f"{task.stopped_reason or 'ECS gives no reason'}; {log}"
            )
        return f"task {short(task.arn)} ended with exit code 0"

    def _seen(self, task: Task) -> Task:
        try:
            return self._plane.task(task.arn)
        except PlaneError as error:
            if not error.retryable:
                raise
            return task

    def _end(self, task: Task, why: str) -> None:
        """Stop a task, and wait until it has ended.

        Raises:
            HostError: it has not.
        """
        self._plane.stop_task(task.arn, why)
        deadline = self._clock.monotonic() + ENDING
        while (task := self._seen(task)).status != "STOPPED":
            if self._clock.monotonic() >= deadline:
                raise HostError(
                    f"the task {short(task.arn)}, which migrates the database, has not ended "
                    f"{ENDING:.0f} s after it was asked to",
                    retryable=True,
                )
            self._clock.sleep(POLL)


def _given_up(state: DeploymentState) -> bool:
    return state.is_rollback or state is DeploymentState.STOPPED


@contextmanager
def _as_host_error() -> Iterator[None]:
    try:
        yield
    except PlaneError as error:
        raise HostError(str(error), retryable=error.retryable) from error
    except TemplateError as error:
        raise HostError(str(error)) from error
