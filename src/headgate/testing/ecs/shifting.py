"""Native blue/green, canary and linear deployments: two sets of tasks, and traffic that moves."""

from __future__ import annotations

from headgate.testing.ecs.balancer import Balancer
from headgate.testing.ecs.model import FakeDeployment, FakeService, FakeTask
from headgate.testing.ecs.tasks import Tasks, group_name

STAGES = (
    "RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME", "CLEAN_UP",
)  # fmt: skip
"""In their order (``ServiceDeploymentLifecycleStage`` of ECS's API)."""
DEFAULT_BAKE, DEFAULT_CANARY_BAKE, DEFAULT_STEP_BAKE = 0, 10, 6  # minutes


class Shifting:
    """Moves a service through the stages of its deployment."""

    def __init__(self, tasks: Tasks, balancer: Balancer) -> None:
        self._tasks = tasks
        self._balancer = balancer

    def pass_second(self, service: FakeService, now: float) -> None:
        """Look at a service with a deployment."""
        deployment = service.deployment
        if deployment is None:
            self._keep(service, now)
            return
        if deployment.status == "ROLLBACK_REQUESTED":
            deployment.status = "ROLLBACK_IN_PROGRESS"
        if deployment.rolling_back:
            self._return(service, deployment, now)
            return
        if not deployment.stage:
            self._enter(service, deployment, STAGES[0], now)
        if self._waits_for_a_hook(deployment, now):
            return
        if deployment.rolling_back or not self._is_done(service, deployment, now):
            return
        at = STAGES.index(deployment.stage)
        if at + 1 < len(STAGES):
            self._enter(service, deployment, STAGES[at + 1], now)

    def begin_rollback(self, service: FakeService, now: float, reason: str) -> None:
        """Move the traffic back, and stop the new tasks."""
        deployment = service.deployment
        if deployment is None or deployment.rolling_back:
            return
        deployment.reason = deployment.rollback_reason = reason
        deployment.rollback_began = now
        if deployment.source is None:
            deployment.status, deployment.stopped = "STOPPED", now
            return
        deployment.status = "ROLLBACK_REQUESTED"

    def proceed(self, service: FakeService, hook: str, action: str, now: float) -> bool:
        """End the pause of a hook; whether there was one."""
        deployment = service.deployment
        waiting = [
            each
            for each in (deployment.hooks if deployment else ())
            if each["hookId"] == hook and each["status"] == "AWAITING_ACTION"
        ]
        if not waiting:
            return False
        waiting[0]["status"] = "SUCCEEDED" if action == "CONTINUE" else "FAILED"
        if action == "ROLLBACK":
            self.begin_rollback(service, now, "A lifecycle hook was continued with ROLLBACK.")
        return True

    # --- stages ------------------------------------------------------------------------------

    def _enter(
        self, service: FakeService, deployment: FakeDeployment, stage: str, now: float
    ) -> None:
        deployment.stage, deployment.stage_began = stage, now
        service.note(now, f"deployment {deployment.id} is in the stage {stage}.")
        blue, green = self._groups(service, deployment)
        if stage == "SCALE_UP":
            for _ in range(service.desired):
                self._tasks.start(service.cluster, deployment.target, now, service, deployment)
        elif stage == "TEST_TRAFFIC_SHIFT":
            self._balancer.weights["test"] = {green: 100.0}
        elif stage == "PRODUCTION_TRAFFIC_SHIFT":
            self._shift(deployment, blue, green, now)
        elif stage == "BAKE_TIME":
            self._balancer.weights["production"] = {green: 100.0}
        elif stage == "CLEAN_UP":
            for task in self._tasks.of(service):
                if task.number != deployment.number:
                    self._tasks.leave(task, now, "Scaling activity initiated by deployment")
        for each in deployment.configuration.get("lifecycleHooks", ()):
            if stage in each.get("lifecycleStages", ()) and each.get("targetType") == "PAUSE":
                self._pause(deployment, each, now)

    @staticmethod
    def _pause(deployment: FakeDeployment, hook: dict[str, object], now: float) -> None:
        limits = hook.get("timeoutConfiguration")
        limits = limits if isinstance(limits, dict) else {}
        deployment.hooks.append(
            {
                "hookId": f"{deployment.id}-{deployment.stage.lower()}",
                "targetType": "PAUSE",
                "status": "AWAITING_ACTION",
                "expiresAt": now + 60 * limits.get("timeoutInMinutes", 24 * 60),
                "timeoutAction": limits.get("action", "ROLLBACK"),
            }
        )

    def _waits_for_a_hook(self, deployment: FakeDeployment, now: float) -> bool:
        for hook in deployment.hooks:
            if hook["status"] != "AWAITING_ACTION":
                continue
            if now < hook["expiresAt"]:
                return True
            hook["status"] = "TIMED_OUT"
            if hook["timeoutAction"] == "ROLLBACK":
                deployment.reason = deployment.rollback_reason = "A lifecycle hook timed out."
                deployment.rollback_began = now
                deployment.status = "ROLLBACK_REQUESTED"
        return False

    def _is_done(self, service: FakeService, deployment: FakeDeployment, now: float) -> bool:
        """Whether the stage is over."""
        stage, waited = deployment.stage, now - deployment.stage_began
        fresh = self._tasks.of(service, deployment.number)
        if stage == "SCALE_UP":
            self._replace_failed(service, deployment, fresh, now)
            return len(self._good(service, fresh)) >= service.desired
        if stage == "PRODUCTION_TRAFFIC_SHIFT":
            blue, green = self._groups(service, deployment)
            return self._shift(deployment, blue, green, now)
        if stage == "BAKE_TIME":
            return waited >= 60.0 * float(
                deployment.configuration.get("bakeTimeInMinutes", DEFAULT_BAKE)
            )
        if stage == "CLEAN_UP":
            if self._leaving(service, deployment.number):
                return False
            deployment.status, deployment.finished = "SUCCESSFUL", now
            deployment.reason = "Service deployment completed."
            service.steady = deployment
            self._balancer.weights["test"] = {}
            service.note(now, f"deployment {deployment.id} deployment completed.")
            return False
        return True

    def _replace_failed(
        self, service: FakeService, deployment: FakeDeployment, fresh: list[FakeTask], now: float
    ) -> None:
        for _ in range(service.desired - len(fresh)):
            self._tasks.start(service.cluster, deployment.target, now, service, deployment)
            deployment.failed += 1

    def _shift(self, deployment: FakeDeployment, blue: str, green: str, now: float) -> bool:
        """Give the new tasks the share of production traffic that is due; whether all of it is."""
        waited = (now - deployment.stage_began) / 60
        configuration = deployment.configuration
        strategy = configuration.get("strategy", "BLUE_GREEN")
        share = 100.0
        if strategy == "CANARY":
            canary = configuration.get("canaryConfiguration", {})
            if waited < canary.get("canaryBakeTimeInMinutes", DEFAULT_CANARY_BAKE):
                share = canary.get("canaryPercent", 5.0)
        elif strategy == "LINEAR":
            linear = configuration.get("linearConfiguration", {})
            steps = 1 + int(waited / max(1, linear.get("stepBakeTimeInMinutes", DEFAULT_STEP_BAKE)))
            share = min(100.0, steps * linear.get("stepPercent", 10.0))
        self._balancer.weights["production"] = {blue: 100.0 - share, green: share}
        return share >= 100.0

    def _return(self, service: FakeService, deployment: FakeDeployment, now: float) -> None:
        blue, _ = self._groups(service, deployment)
        self._balancer.weights["production"] = {blue: 100.0}
        self._balancer.weights["test"] = {}
        for task in self._tasks.of(service, deployment.number):
            self._tasks.leave(task, now, "Scaling activity initiated by deployment")
        if service.steady is None:
            deployment.status, deployment.finished = "ROLLBACK_FAILED", now
        elif not self._leaving(service, service.steady.number):
            deployment.status, deployment.finished = "ROLLBACK_SUCCESSFUL", now

    def _keep(self, service: FakeService, now: float) -> None:
        steady = service.steady
        if steady is None:
            return
        for _ in range(service.desired - len(self._tasks.of(service, steady.number))):
            self._tasks.start(service.cluster, steady.target, now, service, steady)

    def _groups(self, service: FakeService, deployment: FakeDeployment) -> tuple[str, str]:
        """The target groups of the tasks before, and of those of this deployment."""
        balancer = service.document["loadBalancers"][0]
        names = [
            group_name(balancer["targetGroupArn"]),
            group_name(balancer["advancedConfiguration"]["alternateTargetGroupArn"]),
        ]
        before = deployment.slot if deployment.source is None else 1 - deployment.slot
        return names[before], names[deployment.slot]

    def _good(self, service: FakeService, tasks: list[FakeTask]) -> list[FakeTask]:
        return [each for each in tasks if self._tasks.is_good(each, service)]

    def _leaving(self, service: FakeService, number: int) -> bool:
        return any(
            each.service == service.name and each.number != number and each.status != "STOPPED"
            for each in self._tasks.all
        )
