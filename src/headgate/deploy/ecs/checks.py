"""What must be so of a service before and after it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.deploy.clock import Clock
from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Deployment, Service, Strategy, Task
from headgate.deploy.outcome import FailedError

SETTLING: Final = 120.0
"""Seconds in which, after a deployment ended, every task has to be of its revision."""
POLL: Final = 5.0


def in_progress(deployments: Sequence[Deployment]) -> Deployment | None:
    """The deployment that has not ended, if there is one."""
    return next((each for each in deployments if not each.state.is_final), None)


def unsteady(service: Service, tasks: Sequence[Task]) -> str:
    """Why a service is not steady; empty if it is."""
    if service.running != service.desired or service.pending:
        return (
            f"{service.running} of {service.desired} tasks run, and {service.pending} are starting"
        )
    others = _others(tasks, service.revision)
    return f"not every task runs {short(service.revision)}: {_named(others)}" if others else ""


def every_task_runs(plane: ControlPlane, clock: Clock, revision: str) -> str:
    """Wait until each running task is of a revision, and there are as many as desired.

    Returns:
        What was found, in words.

    Raises:
        FailedError: it is not so after ``SETTLING`` seconds.
    """
    deadline = clock.monotonic() + SETTLING
    while True:
        problem = ""
        try:
            service, tasks = plane.service(), plane.tasks()
            problem = _unlike(service, tasks, revision)
        except PlaneError as error:
            if not error.retryable:
                raise
            problem = str(error)
        if not problem:
            return f"{service.running} of {service.desired} tasks run {short(revision)}"
        if clock.monotonic() >= deadline:
            raise FailedError(problem)
        clock.sleep(POLL)


def _unlike(service: Service, tasks: Sequence[Task], revision: str) -> str:
    if service.revision != revision:
        return (
            f"the service's revision is {short(service.revision)} instead of {short(revision)}: "
            "something else has moved it"
        )
    running = [each for each in tasks if each.status == "RUNNING"]
    others = _others(running, revision)
    if others:
        return f"tasks of another revision than {short(revision)} still run: {_named(others)}"
    if len(running) < service.desired:
        return f"{len(running)} of {service.desired} tasks run {short(revision)}"
    return ""


def _others(tasks: Sequence[Task], revision: str) -> list[Task]:
    return [each for each in tasks if each.revision != revision]


def _named(tasks: Sequence[Task]) -> str:
    return ", ".join(f"{short(each.arn)} ({short(each.revision)})" for each in tasks)


def shifts_traffic(service: Service) -> bool:
    """Whether ECS keeps both revisions and shifts traffic between them."""
    return service.strategy is not Strategy.ROLLING


def counts_traffic(service: Service) -> bool:
    """Whether a load balancer sees the service's requests."""
    return any(each.get("targetGroupArn") for each in service.document.get("loadBalancers", ()))
