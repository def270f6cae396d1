"""Watching a service while it moves: a deployment to its end, and then its traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import traffic
from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.holding import Holding
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Deployment, Service, ServiceEvent, Target, Task, Traffic
from headgate.deploy.outcome import FailedError, TimedOutError
from headgate.deploy.phases import Phases, Reporter, Source

POLL: Final = 5.0
"""Seconds between two looks at a deployment."""
TRAFFIC_EVERY: Final = 30.0
"""Seconds between two looks at the traffic; the load balancer reports once a minute."""
BEFORE: Final = 600.0
"""How many seconds of traffic before a deployment are compared."""


@dataclass(frozen=True, slots=True)
class Site:
    """The service and what a command works with."""

    target: Target
    plane: ControlPlane
    clock: Clock
    reporter: Reporter
    holding: Holding
    phases: Phases

    def say(self, text: str) -> None:
        """Show a sentence of the command's own."""
        self.reporter.news(Source.HEADGATE, text)


class News:
    """What ECS says of a service and of the tasks that fail, each line once."""

    def __init__(self, service: Service, stopped: Sequence[Task]) -> None:
        self._seen = {each.id for each in service.events} | {each.arn for each in stopped}
        self.last_failure = ""

    def events(self, service: Service) -> Iterator[ServiceEvent]:
        """Events that were not returned before, in the order in which they happened."""
        for event in sorted(service.events, key=lambda each: each.at):
            if event.id not in self._seen:
                self._seen.add(event.id)
                yield event

    def failures(self, stopped: Sequence[Task], revision: str) -> Iterator[str]:
        """Why tasks of a revision stopped, each task once."""
        for task in stopped:
            if task.revision == revision and task.arn not in self._seen:
                self._seen.add(task.arn)
                self.last_failure = stopped_in_words(task)
                yield self.last_failure


def stopped_in_words(task: Task) -> str:
    """A task that stopped, and why."""
    reason = task.stopped_reason or "ECS gives no reason"
    return f"task {short(task.arn)} of {short(task.revision)} stopped: {reason}"


class DeploymentWatch:
    """One deployment, until it ended."""

    def __init__(self, site: Site, revision: str) -> None:
        """Begin before the service moves to ``revision``, so that only news is shown."""
        self._site = site
        self._revision = revision
        self._news = News(site.plane.service(), site.plane.tasks(stopped=True))

    @property
    def last_failure(self) -> str:
        """The last task of the revision that stopped; empty if none did."""
        return self._news.last_failure

    def until_ended(
        self,
        deployment: Deployment,
        deadline: float,
        each_time: Callable[[Deployment], None] = lambda _: None,
    ) -> Deployment:
        """Wait for the end of a deployment.

        Args:
            deployment: which.
            deadline: on the clock's ``monotonic``.
            each_time: called with the deployment at each look.

        Raises:
            TimedOutError: it has not ended by the deadline.
            PlaneError: AWS refuses to say.
            SupersededError: another operator took the service over.
        """
        while True:
            deployment = self._look(deployment)
            self._site.holding.renew()
            if deployment.state.is_final:
                return deployment
            each_time(deployment)
            if self._site.clock.monotonic() >= deadline:
                raise TimedOutError(
                    f"the deployment of {short(deployment.target)} has not ended in time "
                    f"({deployment.state.value}{self._because(deployment)})"
                )
            self._site.clock.sleep(POLL)

    def _look(self, deployment: Deployment) -> Deployment:
        """Read the deployment and show what is new; a failure that may pass changes nothing."""
        site = self._site
        try:
            deployment = site.plane.deployment(deployment.arn)
            service, tasks = site.plane.service(), site.plane.tasks()
            for event in self._news.events(service):
                site.reporter.news(Source.ECS, event.message)
            for line in self._news.failures(site.plane.tasks(stopped=True), self._revision):
                site.reporter.news(Source.TASK, line)
        except PlaneError as error:
            if not error.retryable:
                raise
            site.say(f"AWS could not be asked, which is tried again: {error}")
            return deployment
        new = [each for each in tasks if each.revision == self._revision]
        running = sum(each.status == "RUNNING" for each in new)
        stage = f", {deployment.stage}" if deployment.stage else ""
        site.reporter.status(
            f"{running} of {service.desired} tasks run {short(self._revision)} "
            f"({deployment.state.value}{stage})"
        )
        return deployment

    def _because(self, deployment: Deployment) -> str:
        reasons = [each.rstrip(".") for each in (deployment.reason, self.last_failure) if each]
        return "".join(f"; {each}" for each in reasons)

    def why(self, deployment: Deployment) -> str:
        """How a deployment ended, with what ECS says of it and the last task that failed."""
        back = deployment.seconds_back
        returned = f" after {back:.0f} s on the way back" if back else ""
        return f"{deployment.state.value}{returned}{self._because(deployment)}"


class TrafficWatch:
    """The traffic since the service moved, compared with that before."""

    def __init__(self, site: Site, before: Traffic) -> None:
        self._site = site
        self._before = before
        self._since = site.clock.now()
        self._looked_at = site.clock.monotonic()
        self.after: Traffic | None = None
        self.note = ""

    @property
    def elapsed(self) -> float:
        """Seconds that it has watched."""
        return self._site.clock.now() - self._since

    def look(self, *, now: bool = False) -> None:
        """Compare, every ``TRAFFIC_EVERY`` seconds; ``now`` without waiting for the next time.

        Raises:
            FailedError: the traffic is worse.
            PlaneError: CloudWatch refuses to say.
        """
        site = self._site
        if not now and site.clock.monotonic() - self._looked_at < TRAFFIC_EVERY:
            return
        self._looked_at = site.clock.monotonic()
        try:
            self.after = site.plane.traffic(self._since, site.clock.now())
        except PlaneError as error:
            if not error.retryable:
                raise
            site.say(f"the traffic could not be read, which is tried again: {error}")
            return
        found = traffic.judge(self._before, self.after)
        if found.worse:
            raise FailedError(f"the traffic is worse than before: {found.worse}")
        self.note = traffic.in_words(self.after)
        if not found.judged:
            self.note += f"; fewer than {traffic.REQUESTS_FLOOR}, so it was not judged"
        site.reporter.status(self.note)

    def until(self, seconds: float) -> str:
        """Watch until it has watched for so many seconds; what was found, in words.

        Raises:
            FailedError: the traffic is worse.
            PlaneError: CloudWatch refuses to say.
            SupersededError: another operator took the service over.
        """
        while (left := seconds - self.elapsed) > 0:
            self._site.clock.sleep(min(POLL, left))
            self._site.holding.renew()
            self.look()
        self.look(now=True)
        if self.after is None:
            return "CloudWatch could not be asked, so the traffic was not judged"
        return self.note
