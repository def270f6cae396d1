"""What becomes of tasks as time passes."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from headgate.testing.ecs.balancer import Balancer, Group, Target, check
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import Definition, FakeDeployment, FakeService, FakeTask
from headgate.testing.ecs.registry import Registry
from headgate.testing.ecs.runner import Container, Image

STOPPING_SECONDS = 0.05
"""Real seconds that a second of the model takes while a task is stopping."""
DEFAULT_CHECK = {"interval": 30, "retries": 3, "startPeriod": 0}  # ECS's, in seconds
SECONDS_OF_A_GOOD_CHECK = 60.0
"""A container that is healthy is asked again after this time; ECS would each ``interval``."""


class Tasks:
    """All tasks of the stand-in.

    Args:
        images: what the names of images mean; one without a tag stands for every digest.
        secret: the value of a reference (``valueFrom``).
        folder: where each task has a folder of its own.
        network: the first two numbers after 127 of the addresses of tasks.
        waits: whether the model stands still until containers listen; else they stay pending.
    """

    def __init__(
        self,
        constants: Constants,
        images: Mapping[str, Image],
        secret: Callable[[str], str],
        balancer: Balancer,
        registry: Registry,
        folder: Path,
        network: str,
        *,
        waits: bool = True,
    ) -> None:
        self.all: list[FakeTask] = []
        self._constants = constants
        self._images = images
        self._secret = secret
        self._balancer = balancer
        self._registry = registry
        self._folder = folder
        self._waits = waits
        self._addresses = (f"127.{network}.{each}" for each in itertools.count(1))

    def start(
        self,
        cluster: str,
        definition: Definition,
        now: float,
        service: FakeService | None = None,
        deployment: FakeDeployment | None = None,
        command: list[str] | None = None,
    ) -> FakeTask:
        """Ask for a task."""
        task = FakeTask(
            id=secrets.token_hex(16),
            cluster=cluster,
            family=definition.document["family"],
            definition=definition,
            address=next(self._addresses),
            number=0 if deployment is None else deployment.number,
            slot=0 if deployment is None else deployment.slot,
            began=now,
            service=service.name if service is not None else "",
            command=command,
        )
        self.all.append(task)
        return task

    def of(self, service: FakeService, number: int | None = None) -> list[FakeTask]:
        """The tasks of a service that are not to stop; of one deployment, if given."""
        return [
            each
            for each in self.all
            if each.service == service.name
            and each.desired == "RUNNING"
            and number in (None, each.number)
        ]

    def leave(self, task: FakeTask, now: float, reason: str, code: str = "") -> None:
        """Have a task stop: it leaves its target groups first."""
        if task.desired == "STOPPED":
            return
        task.desired, task.reason, task.stop_code = "STOPPED", reason, code
        task.leaving = now
        if task.status in ("PROVISIONING", "PENDING") and not task.containers:
            self._end(task, now)
            return
        drained = [
            each
            for each in self._targets(task)
            if each.state in ("healthy", "initial", "unhealthy")
        ]
        for target in drained:
            target.state = "draining"
        self._registry.deregister(task)
        task.status = "DEACTIVATING" if drained else "STOPPING"
        if not drained:
            self._stop(task, now)

    def pass_second(self, now: float, services: Mapping[str, FakeService]) -> None:
        """Let a second pass for all of them."""
        for task in [each for each in self.all if each.status != "STOPPED"]:
            service = services.get(task.service)
            if task.status == "PROVISIONING" and now - task.began >= self._constants.start / 3:
                task.status = "PENDING"
            elif task.status == "PENDING" and now - task.began >= self._constants.start:
                self._begin(task, now, service)
            elif task.status == "RUNNING":
                self._look(task, now, service)
            elif task.status == "DEACTIVATING" and (
                now - (task.leaving or now) >= self._constants.deregistration
            ):
                self._stop(task, now)
            elif task.status == "STOPPING":
                self._finish(task, now)

    def close(self) -> None:
        """Kill all processes."""
        for task in self.all:
            for container in task.containers:
                container.kill()

    def is_good(self, task: FakeTask, service: FakeService) -> bool:
        """Whether it runs, and both its container's and its target's checks say so."""
        if not task.is_up or task.health == "UNHEALTHY":
            return False
        if task.health == "UNKNOWN" and _health_check(task):
            return False
        targets = list(self._targets(task))
        return all(each.state == "healthy" for each in targets) if _has_groups(service) else True

    # --- each step ---------------------------------------------------------------------------

    def _begin(self, task: FakeTask, now: float, service: FakeService | None) -> None:
        if not task.containers and not self._launch(task, now):
            return
        if all(each.has_begun() for each in task.containers):
            self._run(task, now, service)

    def _launch(self, task: FakeTask, now: float) -> bool:
        """Start the containers of a task; whether all have an image."""
        folder = self._folder / task.id[:8]
        try:
            for each in task.definition.containers:
                image = self._image(each["image"])
                task.containers.append(
                    Container(each, image, task.address, self._secret, folder, task.command)
                )
        except (OSError, KeyError) as error:
            task.reason = f"CannotPullContainerError: {error}"
            self._fail(task, now, task.reason, "TaskFailedToStart")
            return False
        for container in task.containers if self._waits else ():
            container.wait_until_it_has_begun()
        return True

    def _run(self, task: FakeTask, now: float, service: FakeService | None) -> None:
        task.status, task.ran, task.checked = "RUNNING", now, now
        if service is not None:
            self._registry.register(task, service)
            for group, port in self._groups(service, task.slot):
                group.targets[task.id] = Target(task.address, port, checked=now)

    def _image(self, name: str) -> Image:
        """What an image is.

        Raises:
            KeyError: there is no such image.
        """
        return self._images[name if name in self._images else name.partition("@")[0]]

    def _look(self, task: FakeTask, now: float, service: FakeService | None) -> None:
        """A running task: whether it has ended, and what its checks say."""
        ended = [each for each in task.containers if each.essential and each.exit_code is not None]
        if ended:
            self._fail(task, now, "Essential container in task exited", "EssentialContainerExited")
            return
        if service is None:
            return
        self._check_container(task, now)
        if task.health == "UNHEALTHY":
            self.leave(
                task, now, "Task failed container health checks", "ServiceSchedulerInitiated"
            )
            return
        self._check_targets(task, now, service)

    def _check_container(self, task: FakeTask, now: float) -> None:
        settings = DEFAULT_CHECK | dict(_health_check(task))
        interval: float = settings["interval"]
        if task.health == "HEALTHY":
            interval = max(interval, SECONDS_OF_A_GOOD_CHECK)
        if not _health_check(task) or now - task.checked < interval:
            return
        task.checked = now
        results = [each.check() for each in task.containers]
        if all(each is not False for each in results):
            task.health, task.failures = "HEALTHY", 0
        elif now - (task.ran or now) >= settings["startPeriod"]:
            task.failures += 1
            if task.failures >= settings["retries"]:
                task.health = "UNHEALTHY"

    def _check_targets(self, task: FakeTask, now: float, service: FakeService) -> None:
        constants = self._constants
        grace = service.document.get("healthCheckGracePeriodSeconds", 0)
        for group in self._balancer.groups.values():
            target = group.targets.get(task.id)
            if target is None or target.state == "draining":
                continue
            if now - target.checked < constants.check_interval:
                continue
            target.checked = now
            if check(target, group.path):
                target.good, target.bad = target.good + 1, 0
                if target.good >= constants.healthy:
                    target.state = "healthy"
                continue
            target.good, target.bad = 0, target.bad + 1
            if target.bad >= constants.unhealthy and now - (task.ran or now) >= grace:
                target.state = "unhealthy"
                reason = f"Task failed ELB health checks in (target-group {group.name})"
                self.leave(task, now, reason, "ServiceSchedulerInitiated")
                return

    def _stop(self, task: FakeTask, now: float) -> None:
        task.status, task.stopping = "STOPPING", now
        for container in task.containers:
            container.terminate()

    def _finish(self, task: FakeTask, now: float) -> None:
        waited = now - (task.stopping or now)
        for container in task.containers:
            container.wait(STOPPING_SECONDS)
            limit = container.stop_timeout or self._constants.stop_timeout
            if container.exit_code is None and waited >= limit:
                container.kill()
        if all(each.exit_code is not None for each in task.containers):
            for container in task.containers:
                container.end()
            self._end(task, now)

    def _fail(self, task: FakeTask, now: float, reason: str, code: str) -> None:
        task.desired, task.reason, task.stop_code = "STOPPED", reason, code
        self._registry.deregister(task)
        for container in task.containers:
            container.kill()
        self._end(task, now)

    def _end(self, task: FakeTask, now: float) -> None:
        task.status, task.ended = "STOPPED", now
        for group in self._balancer.groups.values():
            group.targets.pop(task.id, None)

    def _targets(self, task: FakeTask) -> list[Target]:
        groups = self._balancer.groups.values()
        return [group.targets[task.id] for group in groups if task.id in group.targets]

    def _groups(self, service: FakeService, slot: int) -> list[tuple[Group, int]]:
        """The target groups that a task joins, with its port; of two, that of its slot."""
        found = []
        for each in service.document.get("loadBalancers", ()):
            names = [group_name(each["targetGroupArn"])]
            other = each.get("advancedConfiguration", {}).get("alternateTargetGroupArn")
            if other:
                names.append(group_name(other))
            chosen = names[slot % len(names)]
            found.append((self._balancer.groups[chosen], each["containerPort"]))
        return found


def group_name(arn: str) -> str:
    """The name in a target group's ARN."""
    return arn.rpartition(":targetgroup/")[2].partition("/")[0]


def _has_groups(service: FakeService) -> bool:
    return bool(service.document.get("loadBalancers"))


def _health_check(task: FakeTask) -> Mapping[str, int]:
    """The settings of the essential container's health check; empty if there is none."""
    checks = (each.get("healthCheck") for each in task.definition.containers)
    found: Mapping[str, int] = next(filter(None, checks), {})
    return {name: value for name, value in found.items() if isinstance(value, int)} or (
        {"retries": 3} if found else {}
    )
