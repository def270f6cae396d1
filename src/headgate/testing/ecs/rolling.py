"""How ECS replaces the tasks of a service in a rolling deployment."""

from __future__ import annotations

import math

from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import FakeDeployment, FakeService, FakeTask
from headgate.testing.ecs.tasks import Tasks

ROLLED_BACK = "Service deployment rolled back"


class Rolling:
    """Starts and stops tasks within the minimum and the maximum of a service."""

    def __init__(self, constants: Constants, tasks: Tasks) -> None:
        self._constants = constants
        self._tasks = tasks
        self._counted: set[str] = set()

    def pass_second(self, service: FakeService, now: float) -> None:
        """Look at a service with its deployment, if there is one."""
        deployment = service.deployment
        if deployment is None:
            self._keep(service, now)
            return
        if deployment.status == "ROLLBACK_REQUESTED":
            deployment.status = "ROLLBACK_IN_PROGRESS"
        self._count_failures(service, deployment, now)
        if deployment.rolling_back:
            self._return(service, deployment, now)
        else:
            self._replace(service, deployment, now)

    def begin_rollback(self, service: FakeService, now: float, reason: str) -> None:
        """Return to the revision before; if there is none, the deployment has failed."""
        deployment = service.deployment
        if deployment is None or deployment.rolling_back:
            return
        deployment.reason = deployment.rollback_reason = reason
        deployment.rollback_began = now
        if deployment.source is None:
            deployment.status, deployment.stopped = "STOPPED", now
            return
        deployment.status = "ROLLBACK_REQUESTED"
        service.note(now, f"rolling back to {_short(deployment.source.arn)}. {reason}")

    def _keep(self, service: FakeService, now: float) -> None:
        """No deployment: tasks that ended are replaced."""
        steady = service.steady
        if steady is None:
            return
        running = self._tasks.of(service, steady.number)
        self._start(service, steady, service.desired - len(running), now)
        for task in running[service.desired :]:
            self._tasks.leave(task, now, "Scaling activity initiated by deployment")

    def _count_failures(self, service: FakeService, deployment: FakeDeployment, now: float) -> None:
        for task in self._tasks.all:
            mine = task.service == service.name and task.number == deployment.number
            if not mine or task.id in self._counted:
                continue
            failed = task.stop_code in (
                "EssentialContainerExited", "TaskFailedToStart", "ServiceSchedulerInitiated"
            )  # fmt: skip
            if task.desired != "STOPPED" or not failed:
                continue
            self._counted.add(task.id)
            deployment.failed += 1
            service.note(now, f"task {task.id[:8]} has stopped: {task.reason}.")
        breaker = deployment.configuration.get("deploymentCircuitBreaker", {})
        threshold = self._constants.breaker(service.desired)
        if not breaker.get("enable") or deployment.rolling_back or deployment.failed < threshold:
            return
        reason = "ECS deployment circuit breaker: tasks failed to start."
        service.note(now, f"deployment {deployment.id} deployment failed: tasks failed to start.")
        if breaker.get("rollback"):
            self.begin_rollback(service, now, reason)
        else:
            deployment.status, deployment.stopped = "STOPPED", now
            deployment.reason = reason

    def _replace(self, service: FakeService, deployment: FakeDeployment, now: float) -> None:
        fresh = self._tasks.of(service, deployment.number)
        old = [each for each in self._tasks.of(service) if each.number != deployment.number]
        room = self._most(service) - len(fresh) - len(old)
        self._start(service, deployment, min(service.desired - len(fresh), room), now)
        self._retire(service, old, fresh, now)
        good = self._good(service, fresh)
        if len(good) >= service.desired and not self._leaving(service, deployment.number):
            deployment.status, deployment.finished = "SUCCESSFUL", now
            deployment.reason = "Service deployment completed."
            service.steady = deployment
            service.note(now, f"deployment {deployment.id} deployment completed.")
            service.note(now, "has reached a steady state.")

    def _return(self, service: FakeService, deployment: FakeDeployment, now: float) -> None:
        """The tasks of the source are wanted again, and those of the target go."""
        source = service.steady
        if source is None:
            deployment.status, deployment.finished = "ROLLBACK_FAILED", now
            return
        wanted = self._tasks.of(service, source.number)
        unwanted = [each for each in self._tasks.of(service) if each.number != source.number]
        self._retire(service, unwanted, wanted, now)
        room = self._most(service) - len(self._tasks.of(service))
        self._start(service, source, min(service.desired - len(wanted), room), now)
        good = self._good(service, wanted)
        if len(good) >= service.desired and not self._leaving(service, source.number):
            deployment.status, deployment.finished = "ROLLBACK_SUCCESSFUL", now
            service.note(now, "has reached a steady state.")

    def _retire(
        self, service: FakeService, old: list[FakeTask], fresh: list[FakeTask], now: float
    ) -> None:
        """Stop old tasks, as many as the minimum allows; those that are not good go first."""
        least = self._least(service)
        for task in [each for each in old if not self._tasks.is_good(each, service)]:
            self._tasks.leave(task, now, "Scaling activity initiated by deployment")
        good_old = self._good(service, old)
        spare = len(self._good(service, fresh)) + len(good_old) - least
        for task in good_old[: max(0, spare)]:
            self._tasks.leave(task, now, "Scaling activity initiated by deployment")

    def _start(
        self, service: FakeService, deployment: FakeDeployment, count: int, now: float
    ) -> None:
        for _ in range(max(0, count)):
            task = self._tasks.start(service.cluster, deployment.target, now, service, deployment)
            service.note(now, f"has started 1 tasks: (task {task.id[:8]}).")

    def _good(self, service: FakeService, tasks: list[FakeTask]) -> list[FakeTask]:
        return [each for each in tasks if self._tasks.is_good(each, service)]

    def _leaving(self, service: FakeService, number: int) -> bool:
        """Whether tasks of other deployments have not ended yet."""
        return any(
            each.service == service.name and each.number != number and each.status != "STOPPED"
            for each in self._tasks.all
        )

    @staticmethod
    def _least(service: FakeService) -> int:
        percent = float(service.configuration.get("minimumHealthyPercent", 100))
        return math.ceil(service.desired * percent / 100)

    @staticmethod
    def _most(service: FakeService) -> int:
        percent = float(service.configuration.get("maximumPercent", 200))
        return math.floor(service.desired * percent / 100)


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
