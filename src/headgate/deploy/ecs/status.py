"""The state of a service, and what in it does not agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headgate.deploy.ecs.diff import Difference, drift
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.journal import Journal, JournalError, read
from headgate.deploy.ecs.lock import Lock, LockError, read_lock
from headgate.deploy.ecs.names import parameter, short
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import (
    Deployment,
    Instance,
    Revision,
    Service,
    Target,
    Task,
)

SHOWN_DEPLOYMENTS = 5


@dataclass(frozen=True, slots=True)
class Status:
    """The facts of a service.

    Attributes:
        deployments: the latest first.
        instances: None if the service has no Cloud Map service.
        template: None if Terraform has made none; ``problems`` then says so.
        drift: where the running revision differs from the template.
        journal: None if it cannot be read.
        lock: None if nobody has it.
        problems: what does not agree, a sentence each; empty if all is well.
        at: when this was asked, in seconds since the epoch.
    """

    target: Target
    region: str
    service: Service
    deployments: Sequence[Deployment]
    tasks: Sequence[Task]
    instances: Sequence[Instance] | None
    running: Revision
    template: Revision | None
    drift: Sequence[Difference]
    journal: Journal | None
    lock: Lock | None
    problems: Sequence[str]
    at: float

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong or in progress."""
        return not self.problems


def status(plane: ControlPlane, target: Target, now: float) -> Status:
    """Ask AWS for everything.

    Raises:
        PlaneError: AWS refuses, or cannot be reached.
    """
    region = plane.caller().region
    service = plane.service()
    deployments = plane.deployments(SHOWN_DEPLOYMENTS)
    tasks = plane.tasks()
    registered = bool(service.document.get("serviceRegistries"))
    instances = plane.instances() if registered else None
    running = plane.revision(service.revision)
    problems: list[str] = [
        *_of_service(service),
        *_of_deployments(deployments),
        *_of_tasks(service, tasks),
        *(() if instances is None else _of_instances(tasks, instances)),
    ]
    template, differs = _template(plane, running, target, problems)
    journal = _journal(plane, target, problems)
    lock = _lock(plane, problems)
    problems += _of_notes(service, journal, lock, deployments, now)
    return Status(
        target,
        region,
        service,
        deployments,
        tasks,
        instances,
        running,
        template,
        differs,
        journal,
        lock,
        tuple(problems),
        now,
    )


def _of_service(service: Service) -> Iterator[str]:
    if service.running != service.desired:
        yield (
            f"{service.running} of {service.desired} tasks run"
            f"{f', {service.pending} are starting' if service.pending else ''}"
        )


def _of_deployments(deployments: Sequence[Deployment]) -> Iterator[str]:
    for each in deployments:
        if not each.state.is_final:
            paused = " and waits to be continued" if each.paused_hooks else ""
            yield (
                f"the deployment {short(each.arn)} to {short(each.target)} is "
                f"{each.state.value}{f' ({each.stage})' if each.stage else ''}{paused}"
            )


def _of_tasks(service: Service, tasks: Sequence[Task]) -> Iterator[str]:
    for each in tasks:
        if each.revision != service.revision:
            yield (
                f"task {short(each.arn)} runs {short(each.revision)}, not {short(service.revision)}"
            )
        if each.health == "UNHEALTHY":
            yield f"task {short(each.arn)} is unhealthy"


def _of_instances(tasks: Sequence[Task], instances: Sequence[Instance]) -> Iterator[str]:
    by_id = {short(each.arn): each for each in tasks}
    registered = {each.id for each in instances}
    for each in instances:
        task = by_id.get(each.id)
        if task is None:
            yield (
                f"Cloud Map has {each.address or 'an instance without address'} ({each.id}), "
                "which is no task of the service: clients may be sent there"
            )
        elif task.address and task.address != each.address:
            yield (
                f"Cloud Map has {each.address or 'no address'} for task {each.id}, whose address "
                f"is {task.address}"
            )
    for name, task in by_id.items():
        if name not in registered and task.status == "RUNNING":
            yield f"task {name} ({task.address or 'no address'}) is not registered in Cloud Map"


def _template(
    plane: ControlPlane, running: Revision, target: Target, problems: list[str]
) -> tuple[Revision | None, Sequence[Difference]]:
    try:
        template = plane.template()
    except PlaneError as error:
        if error.failure is not PlaneFailure.NOT_FOUND:
            raise
        problems.append(str(error))
        return None, ()
    found = drift(template, running, target.container)
    if not template.active:
        problems.append(f"the template {short(template.arn)} is not active: apply Terraform again")
    if found:
        paths = ", ".join(each.path for each in found)
        problems.append(
            f"{short(running.arn)} differs from the template {short(template.arn)} in {paths}: "
            "headgate ecs deploy brings what Terraform has"
        )
    return template, found


def _journal(plane: ControlPlane, target: Target, problems: list[str]) -> Journal | None:
    try:
        return read(plane.journal(), parameter(target, "journal"))
    except JournalError as error:
        problems.append(str(error))
        return None


def _lock(plane: ControlPlane, problems: list[str]) -> Lock | None:
    try:
        text = plane.lock()
        return None if text is None else read_lock(text)
    except LockError as error:
        problems.append(str(error))
        return None


def _of_notes(
    service: Service,
    journal: Journal | None,
    lock: Lock | None,
    deployments: Sequence[Deployment],
    now: float,
) -> Iterator[str]:
    if lock is not None and lock.is_over(now):
        yield (
            f"the lock of {lock.holder} on {lock.host} was not given back: its command has "
            "probably ended early; the next deploy or rollback takes it over"
        )
    if journal is None:
        return
    begun = journal.in_progress
    if begun is not None and (lock is None or lock.is_over(now)):
        yield (
            f"a {begun.kind} to {short(begun.revision) or 'a new revision'} by {begun.operator} "
            f"was not ended (phase: {begun.phase}): return to the good revision with headgate ecs "
            "rollback, or deploy again"
        )
    changing = any(not each.state.is_final for each in deployments)
    good = journal.good
    if good is not None and good.revision != service.revision and not changing:
        yield (
            f"the service runs {short(service.revision)}, and the good revision of the journal is "
            f"{short(good.revision)}: somebody moved it without headgate ecs, or a deploy was not "
            "ended"
        )
