"""The way back to a revision: of a deployment that failed, and of ``rollback``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from headgate.deploy.ecs import checks
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.holding import LONG_LEASE
from headgate.deploy.ecs.moving import moved
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.pauses import without_pauses
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Deployment, DeploymentState
from headgate.deploy.ecs.watching import DeploymentWatch, Site
from headgate.deploy.outcome import FailedError, Verify

_GONE: Final = frozenset(
    {PlaneFailure.BUSY, PlaneFailure.INVALID, PlaneFailure.NOT_FOUND, PlaneFailure.UNSUPPORTED}
)
"""What AWS says of a deployment that cannot be stopped, such as one that just ended."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """Returns a service to a revision, whatever is going on.

    Attributes:
        timeout: seconds for the whole way.
        verify: None if nothing is verified.
    """

    site: Site
    timeout: float
    verify: Verify | None

    def to(self, revision: str) -> None:
        """Stop a deployment of another revision, return, and check tasks and service.

        Raises:
            FailedError: the service is not back, or does not pass verification there.
            TimedOutError: it is not back in time.
            PlaneError: AWS refuses.
            SupersededError: another operator took the service over.
        """
        deadline = self.site.clock.monotonic() + self.timeout
        watch = DeploymentWatch(self.site, revision)
        running = checks.in_progress(self.site.plane.deployments())
        if running is not None and not _brings(running, revision):
            running = self._stop(running, watch, deadline)
        if running is not None and not running.state.is_final:  # it brings the revision already
            self._await(running, watch, deadline, revision)
        elif self.site.plane.service().revision != revision:
            self._return(revision, watch, deadline)
        with self.site.phases.phase(Step.TASKS_BACK) as phase:
            self.site.holding.note(Step.TASKS_BACK)
            phase.note = checks.every_task_runs(self.site.plane, self.site.clock, revision)
        self._verify(revision)

    def _stop(
        self, running: Deployment, watch: DeploymentWatch, deadline: float
    ) -> Deployment | None:
        """Stop a deployment and wait until ECS has rolled it back.

        Returns:
            None if it cannot be stopped: the next deployment replaces it.
        """
        with self.site.phases.phase(Step.STOP) as phase:
            self.site.holding.note(Step.STOP, deployment=running.arn)
            if not running.state.is_rollback:
                try:
                    self._order_stop(running)
                except PlaneError as error:
                    if error.failure not in _GONE:
                        raise
                    phase.note = f"could not be stopped: {error}"
                    running = self.site.plane.deployment(running.arn)
                    if not running.state.is_final:
                        return None
            ended = watch.until_ended(running, deadline)
            phase.note = phase.note or watch.why(ended)
            return ended

    def _order_stop(self, running: Deployment) -> None:
        if running.paused_hooks:
            self.site.plane.proceed(running.arn, running.paused_hooks[0], roll_back=True)
        else:
            self.site.plane.stop(running.arn)

    def _return(self, revision: str, watch: DeploymentWatch, deadline: float) -> None:
        with self.site.phases.phase(Step.RETURN) as phase:
            self.site.holding.note(Step.RETURN)
            configuration = self._configuration()
            begun = moved(self.site, revision, configuration)
            self.site.holding.note(Step.RETURNED, deployment=begun.arn)
            phase.note = short(revision)
        self._await(begun, watch, deadline, revision)

    def _await(
        self, begun: Deployment, watch: DeploymentWatch, deadline: float, revision: str
    ) -> None:
        with self.site.phases.phase(Step.RETURNED) as phase:
            ended = watch.until_ended(begun, deadline)
            phase.note = watch.why(ended)
            brought = ended.state is DeploymentState.SUCCESSFUL or ended.state.is_rollback
            if not brought or self.site.plane.service().revision != revision:
                raise FailedError(
                    f"the deployment that returns to {short(revision)} ended as {watch.why(ended)}"
                )

    def _configuration(self) -> dict[str, Any] | None:
        """The service's own without hooks that pause: nobody would end the pause."""
        service = self.site.plane.service()
        return without_pauses(service.document.get("deploymentConfiguration"))

    def _verify(self, revision: str) -> None:
        if self.verify is None:
            self.site.say("nothing was verified after the rollback: no address was given")
            return
        with self.site.phases.phase(Step.VERIFY_BACK) as phase:
            self.site.holding.renew(LONG_LEASE)
            found = self.verify()
            phase.note = found.summary
            if not found.passed:
                raise FailedError(
                    f"every task runs {short(revision)} again, but it does not pass verification: "
                    f"{found.summary}"
                )


def _brings(deployment: Deployment, revision: str) -> bool:
    """Whether a deployment under way ends with the revision."""
    if deployment.state.is_rollback or deployment.state is DeploymentState.STOP_REQUESTED:
        return False
    return deployment.target == revision
