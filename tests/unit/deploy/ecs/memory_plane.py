"""A service of ECS in memory: what the engines ask of ``ControlPlane``, with faults at any call.

Time is the clock's: a deployment goes on while the engine sleeps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar, cast

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.lock import Lock, read_lock
from headgate.deploy.ecs.records import (
    Caller,
    Deployment,
    DeploymentState,
    Instance,
    Revision,
    Service,
    ServiceEvent,
    Strategy,
    Task,
    Traffic,
)

PREFIX: Final = "arn:aws:ecs:eu-west-1:123456789012:"
START: Final = 45.0
DRAIN: Final = 15.0
CRASHES: Final = (10.0, 20.0, 30.0)
BACK: Final = 5.0
RETRYABLE: Final = frozenset({PlaneFailure.THROTTLED, PlaneFailure.UNREACHABLE, PlaneFailure.BUSY})


class ProcessDied(BaseException):
    """The command's process was killed: nothing of it runs any more."""


@dataclass
class Hand:
    """The clock; ``on_sleep`` sees each sleep."""

    time: float = 1_000_000.0
    on_sleep: Callable[[float], None] = lambda _: None

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.on_sleep(seconds)
        self.time += seconds


@dataclass
class Moving:
    """A deployment, with what the double needs beside."""

    record: Deployment
    kind: str
    begun: float
    back_since: float | None = None
    shifted: float | None = None
    paused: bool = False
    pauses: bool = False


Method = TypeVar("Method", bound=Callable[..., Any])


def call(method: Method) -> Method:
    """A call of the plane: time passes for the service, and a fault may strike."""

    @functools.wraps(method)
    def called(self: MemoryPlane, *arguments: Any, **options: Any) -> Any:
        self.calls.append(method.__name__)
        number = len(self.calls)
        self.advance()
        self.before_call(number, method.__name__)
        result = method(self, *arguments, **options)
        self.after_call(number, method.__name__)
        return result

    return cast("Method", called)


def nothing(_number: int, _name: str) -> None:
    """No fault."""


@dataclass
class World:
    """What AWS has; the planes of several operators share it."""

    clock: Hand
    strategy: Strategy = Strategy.ROLLING
    desired: int = 2
    revisions: dict[str, Revision] = field(default_factory=dict)
    current: str = ""
    moving: list[Moving] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    stopped: list[Task] = field(default_factory=list)
    events: list[ServiceEvent] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    journal: str | None = None
    held: Lock | None = None
    one_off_exit: int = 0
    errors_after: float = 0.0
    p99_after: float = 0.2
    requests: float = 1000.0
    moved_at: float | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    numbers: int = 0
    gone_images: set[str] = field(default_factory=set)
    in_progress_breaker: bool = True

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def add_revision(self, image: str, tags: Mapping[str, str] | None = None) -> Revision:
        number = 1 + len(self.revisions)
        arn = f"{PREFIX}task-definition/gw:{number}"
        document = {
            "taskDefinitionArn": arn,
            "status": "ACTIVE",
            "containerDefinitions": [{"name": "headgate", "image": image}],
        }
        self.revisions[arn] = Revision(arn, document, dict(tags or {}))
        return self.revisions[arn]

    def image(self, arn: str) -> str:
        return str(self.revisions[arn].container("headgate")["image"])

    def run(self, arn: str) -> None:
        """Let the service have run this revision all along."""
        self.current = arn
        self.tasks = [self.task_of(arn) for _ in range(self.desired)]

    def task_of(self, arn: str, status: str = "RUNNING") -> Task:
        return Task(f"{PREFIX}task/ml/t{self.number()}", arn, status, "HEALTHY")

    def serving(self) -> set[str]:
        """The images of the tasks that run."""
        return {self.image(each.revision) for each in self.tasks if each.status == "RUNNING"}

    # --- deployments ---------------------------------------------------------------------------

    def begin(self, arn: str, source: str) -> Moving:
        for each in self.moving:
            if not each.record.state.is_final:
                each.record = replace(each.record, state=DeploymentState.STOPPED)
        record = Deployment(
            f"{PREFIX}service-deployment/ml/gateway/d{self.number()}",
            DeploymentState.IN_PROGRESS,
            arn,
            (source,),
            started_at=self.clock.time,
        )
        kind = self.image(arn).partition("@")[0].rpartition("/")[2]
        hooks = self.configuration.get("lifecycleHooks", ())
        pauses = any(each.get("targetType") == "PAUSE" for each in hooks)
        pauses = pauses and self.strategy is not Strategy.ROLLING
        self.moving.insert(0, Moving(record, kind, self.clock.time, pauses=pauses))
        self.current = arn
        self.say(f"(service gateway) began deployment of {arn}")
        return self.moving[0]

    def say(self, message: str) -> None:
        self.events.insert(0, ServiceEvent(f"e{self.number()}", self.clock.time, message))

    def advance(self) -> None:
        """Bring every deployment to where it is now."""
        for each in self.moving:
            if not each.record.state.is_final:
                self._advance(each)

    def _advance(self, moving: Moving) -> None:
        since = self.clock.time - moving.begun
        target = moving.record.target
        if moving.back_since is not None:
            if self.clock.time - moving.back_since >= BACK:
                self._end(moving, DeploymentState.ROLLBACK_SUCCESSFUL, moving.record.source[0])
            return
        if moving.kind == "crash":
            self._crash(moving, since)
        elif moving.kind != "hang" and since >= START:
            if moving.pauses and moving.shifted is None:
                moving.paused = True
                moving.record = replace(
                    moving.record, stage="POST_TEST_TRAFFIC_SHIFT", paused_hooks=("hook-1",)
                )
                return
            if moving.shifted is None:
                moving.shifted = self.clock.time
                self.moved_at = self.clock.time
                self.tasks += [self.task_of(target) for _ in range(self.desired)]
                if self.strategy is not Strategy.ROLLING:
                    moving.record = replace(moving.record, stage="BAKE_TIME", paused_hooks=())
            bake = 300.0 if self.strategy is not Strategy.ROLLING else DRAIN
            if self.clock.time - moving.shifted >= bake:
                self._end(moving, DeploymentState.SUCCESSFUL, target)

    def _crash(self, moving: Moving, since: float) -> None:
        target = moving.record.target
        crashed = sum(each.revision == target for each in self.stopped)
        for at in CRASHES[crashed:]:
            if since >= at:
                task = self.task_of(target, "STOPPED")
                reason = "Essential container in task exited"
                self.stopped.append(replace(task, stopped_reason=reason, exit_code=1))
        if since >= CRASHES[-1] and self.in_progress_breaker:
            self.roll_back(moving, "ECS deployment circuit breaker: tasks failed to start.")

    def roll_back(self, moving: Moving, reason: str) -> None:
        moving.back_since = self.clock.time
        moving.record = replace(
            moving.record,
            state=DeploymentState.ROLLBACK_IN_PROGRESS,
            reason=reason,
            paused_hooks=(),
        )

    def _end(self, moving: Moving, state: DeploymentState, arn: str) -> None:
        moving.record = replace(
            moving.record,
            state=state,
            finished_at=self.clock.time,
            rollback_at=moving.back_since,
            paused_hooks=(),
        )
        self.current = arn
        kept = [each for each in self.tasks if each.revision == arn]
        missing = self.desired - len(kept)
        self.tasks = kept + [self.task_of(arn) for _ in range(missing)]
        self.say(f"(service gateway) deployment {state.value}")


class MemoryPlane:
    """``ControlPlane`` of one operator; the methods are described there."""

    def __init__(self, world: World, operator: str = "ada") -> None:
        self.world = world
        self.operator = operator
        self.calls: list[str] = []
        self.before_call: Callable[[int, str], None] = nothing
        self.after_call: Callable[[int, str], None] = nothing

    def advance(self) -> None:
        self.world.advance()

    @call
    def caller(self) -> Caller:
        return Caller("123456789012", f"arn:aws:iam::123456789012:user/{self.operator}", "eu")

    def endpoint(self) -> str:
        return "http://127.0.0.1:1"

    @call
    def service(self) -> Service:
        world = self.world
        return Service(
            f"{PREFIX}service/ml/gateway",
            world.current,
            world.desired,
            sum(each.status == "RUNNING" for each in world.tasks),
            0,
            world.strategy,
            tuple(world.events),
            dict(world.tags),
            {
                "deploymentConfiguration": dict(world.configuration),
                "loadBalancers": [{"targetGroupArn": "arn:gateway"}],
            },
        )

    @call
    def deployments(self, limit: int = 10) -> Sequence[Deployment]:
        return [each.record for each in self.world.moving[:limit]]

    @call
    def deployment(self, arn: str) -> Deployment:
        return self._moving(arn).record

    def _moving(self, arn: str) -> Moving:
        return next(each for each in self.world.moving if each.record.arn == arn)

    @call
    def tasks(self, *, stopped: bool = False) -> Sequence[Task]:
        return list(self.world.stopped if stopped else self.world.tasks)

    @call
    def revision(self, arn: str) -> Revision:
        full = arn if arn.startswith("arn:") else f"{PREFIX}task-definition/{arn}"
        if full not in self.world.revisions:
            raise PlaneError(PlaneFailure.NOT_FOUND, f"there is no task definition {arn}")
        return self.world.revisions[full]

    @call
    def template(self) -> Revision:
        return self.world.revisions[f"{PREFIX}task-definition/gw:1"]

    @call
    def register(self, document: Mapping[str, Any], tags: Mapping[str, str]) -> Revision:
        return self.world.add_revision(document["image"], tags)

    @call
    def deregister(self, revision: str) -> None:
        found = self.world.revisions[revision]
        document = {**found.document, "status": "INACTIVE"}
        self.world.revisions[revision] = replace(found, document=document)

    @call
    def update(self, revision: str, configuration: Mapping[str, Any] | None = None) -> Deployment:
        if not self.world.revisions[revision].active:
            raise PlaneError(PlaneFailure.INACTIVE, f"{revision} is inactive")
        if configuration is not None:
            self.world.configuration = dict(configuration)
        return self.world.begin(revision, self._settled()).record

    def _settled(self) -> str:
        """What the last deployment that ended left."""
        for each in self.world.moving:
            if each.record.state is DeploymentState.SUCCESSFUL:
                return each.record.target
            if each.record.state.is_final or each.back_since is not None:
                return each.record.source[0]
            return each.record.source[0]
        return self.world.current

    @call
    def stop(self, deployment: str) -> None:
        moving = self._moving(deployment)
        if moving.record.state.is_final or moving.back_since is not None:
            raise PlaneError(PlaneFailure.BUSY, "it is being rolled back already", retryable=True)
        self.world.roll_back(moving, "Service deployment rolled back because of an API request.")

    @call
    def proceed(self, deployment: str, hook: str, *, roll_back: bool) -> None:
        moving = self._moving(deployment)
        if hook not in moving.record.paused_hooks:
            raise PlaneError(PlaneFailure.INVALID, f"no hook {hook} waits")
        if roll_back:
            self.world.roll_back(moving, "a pause hook was ended with ROLLBACK")
            return
        moving.pauses = False
        moving.record = replace(moving.record, paused_hooks=())

    @call
    def run_task(self, revision: str, command: Sequence[str]) -> Task:
        assert tuple(command) == ("db", "upgrade")
        return Task(f"{PREFIX}task/ml/oneoff", revision, "PENDING")

    @call
    def task(self, arn: str) -> Task:
        code = self.world.one_off_exit
        reason = f"Essential container in task exited; exited with {code}"
        return Task(arn, "", "STOPPED", stopped_reason=reason, exit_code=code)

    @call
    def instances(self) -> Sequence[Instance]:
        return ()

    @call
    def traffic(self, start: float, end: float) -> Traffic:
        world = self.world
        assert start <= end
        if world.moved_at is None or start < world.moved_at:
            return Traffic(world.requests, 0.0, 0.2 if world.requests else None)
        return Traffic(world.requests, world.errors_after, world.p99_after)

    @call
    def image_digest(self, image: str) -> str:
        return image

    @call
    def image_exists(self, image: str) -> bool | None:
        return image not in self.world.gone_images

    @call
    def pinned(self, reference: str) -> str:
        return reference

    @call
    def journal(self) -> str | None:
        return self.world.journal

    @call
    def write_journal(self, text: str) -> None:
        self.world.journal = text

    @call
    def tag_service(self, tags: Mapping[str, str | None]) -> None:
        for key, value in tags.items():
            self.world.tags.pop(key, None)
            if value is not None:
                self.world.tags[key] = value

    @call
    def acquire(self, text: str) -> str | None:
        mine, held = read_lock(text), self.world.held
        if (
            held is not None
            and held.nonce != mine.nonce
            and not held.is_over(self.world.clock.time)
        ):
            return held.to_text()
        self.world.held = mine
        return None

    @call
    def release(self, text: str) -> None:
        held = self.world.held
        if held is not None and held.nonce == read_lock(text).nonce:
            self.world.held = None

    @call
    def lock(self) -> str | None:
        return None if self.world.held is None else self.world.held.to_text()
