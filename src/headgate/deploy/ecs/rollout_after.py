"""The second half of a deployment: from the move of the service until it is confirmed."""

from __future__ import annotations

from typing import Final

from headgate.deploy.ecs import checks
from headgate.deploy.ecs.holding import LONG_LEASE
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.ordering import Facts, Order
from headgate.deploy.ecs.pauses import STAGE
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Deployment, DeploymentState, Traffic
from headgate.deploy.ecs.watching import DeploymentWatch, Site, TrafficWatch
from headgate.deploy.outcome import FailedError, Verify

_PRODUCTION: Final = frozenset(
    {"PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME"}
)
"""The stages in which production traffic reaches the new revision."""


class Confirmation:
    """Follows one deployment, and confirms what it brought.

    Args:
        before: the traffic to compare with; None if it is not watched.
        verify: None if nothing is verified; ``verify_test`` likewise, for test traffic.
    """

    def __init__(
        self,
        site: Site,
        order: Order,
        watch: DeploymentWatch,
        before: Traffic | None,
        verify: Verify | None,
        verify_test: Verify | None,
    ) -> None:
        self._site = site
        self._order = order
        self._watch = watch
        self._before = before
        self._verify = verify
        self._verify_test = verify_test
        self._tested: set[str] = set()
        self._test_failure = ""
        self._traffic: TrafficWatch | None = None

    def reach(self, deployment: Deployment, revision: str, facts: Facts) -> None:
        """Wait for the deployment, check the tasks, verify, and watch the traffic.

        Raises:
            FailedError: what was to be is not so.
            TimedOutError: it has not ended in time.
            PlaneError: AWS refuses.
            SupersededError: another operator took the service over.
        """
        self._await(deployment, revision, facts)
        with self._site.phases.phase(Step.TASKS) as phase:
            self._site.holding.note(Step.TASKS)
            phase.note = checks.every_task_runs(self._site.plane, self._site.clock, revision)
        self._verified(revision)
        if self._before is not None:
            with self._site.phases.phase(Step.WATCH) as phase:
                self._site.holding.note(Step.WATCH)
                watch = self._traffic or TrafficWatch(self._site, self._before)
                phase.note = watch.until(self._order.watch)
                facts.after = watch.after

    def _await(self, deployment: Deployment, revision: str, facts: Facts) -> None:
        with self._site.phases.phase(Step.DEPLOYMENT) as phase:
            self._site.holding.note(Step.DEPLOYMENT, deployment=deployment.arn)
            deadline = self._site.clock.monotonic() + self._order.timeout
            ended = self._watch.until_ended(deployment, deadline, self._attend)
            facts.deployment = ended
            phase.note = why = self._watch.why(ended)
            if ended.state is not DeploymentState.SUCCESSFUL:
                cause = self._test_failure or why
                raise FailedError(f"the deployment of {short(revision)} failed: {cause}")

    def _attend(self, now: Deployment) -> None:
        """What is done while a blue/green deployment goes on: test traffic, and the bake time."""
        if now.state.is_rollback:
            return
        if self._verify_test is not None and now.stage == STAGE:
            for hook in now.paused_hooks:
                if hook not in self._tested:
                    self._tested.add(hook)
                    self._test(now, hook)
        elif now.paused_hooks:
            self._site.reporter.status(
                f"paused at {now.stage} by {', '.join(now.paused_hooks)}: this is to be ended with "
                "aws ecs continue-service-deployment"
            )
        if self._before is not None and now.stage in _PRODUCTION:
            if self._traffic is None:
                self._traffic = TrafficWatch(self._site, self._before)
            self._traffic.look()

    def _test(self, now: Deployment, hook: str) -> None:
        if self._verify_test is None:
            return
        with self._site.phases.phase(Step.TEST_TRAFFIC) as phase:
            self._site.holding.note(Step.TEST_TRAFFIC)
            self._site.holding.renew(LONG_LEASE)
            found = self._verify_test()
            phase.note = found.summary
            phase.failed = not found.passed
            if phase.failed:
                self._test_failure = f"test traffic does not pass verification: {found.summary}"
            self._site.holding.renew()
            self._site.plane.proceed(now.arn, hook, roll_back=phase.failed)

    def _verified(self, revision: str) -> None:
        if self._verify is None:
            return
        with self._site.phases.phase(Step.VERIFY) as phase:
            self._site.holding.note(Step.VERIFY)
            self._site.holding.renew(LONG_LEASE)
            found = self._verify()
            phase.note = found.summary
            if not found.passed:
                raise FailedError(f"{short(revision)} does not pass verification: {found.summary}")
