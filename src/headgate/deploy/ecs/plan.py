"""What a deployment would do, and what can be returned to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headgate.deploy.ecs.diff import Difference, differences
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.journal import Journal, read
from headgate.deploy.ecs.lock import Lock, read_lock
from headgate.deploy.ecs.names import parameter, short
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Deployment, Revision, Strategy, Target
from headgate.deploy.ecs.secret_references import is_pinned
from headgate.deploy.ecs.template import Copy, copied

NOT_ROLLED_BACK = (
    "the schema of the key store and of MLflow's database, and what was written in them",
    "what Terraform owns: load balancer, security groups, roles, alarms and scaling",
)
"""What a rollback never changes back."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """Whether the service can return to a revision.

    Attributes:
        obstacles: why not; empty if it can.
        losses: what would not be as it was.
    """

    revision: str
    image: str
    obstacles: Sequence[str] = ()
    losses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment that has not begun.

    Attributes:
        image: what would run, with its digest.
        current_image: what runs.
        copy: what would be registered.
        changes: from the running revision to the copy.
        back: the good revision that a rollback returns to; None if there is none yet.
        in_the_way: why a deployment could not begin now, a sentence each.
        notes: what to know before.
    """

    target: Target
    region: str
    template: str
    running: str
    strategy: Strategy
    image: str
    current_image: str
    copy: Copy
    changes: Sequence[Difference]
    back: WayBack | None
    in_the_way: Sequence[str]
    notes: Sequence[str]

    @property
    def can_begin(self) -> bool:
        """Whether a deployment may begin now."""
        return not self.in_the_way


def plan(plane: ControlPlane, target: Target, image: str | None, now: float) -> Plan:
    """Find out what ``deploy --image`` would do; nothing is changed.

    Args:
        plane: the service.
        target: its names.
        image: None for the one that the template has.
        now: seconds since the epoch.

    Raises:
        PlaneError: AWS refuses, or there is no such image, secret or template.
        TemplateError: the template cannot be copied.
        JournalError: the journal cannot be read.
    """
    region = plane.caller().region
    service = plane.service()
    running = plane.revision(service.revision)
    template = plane.template()
    journal = read(plane.journal(), parameter(target, "journal"))
    wanted = image or _image(template, target.container)
    digest = plane.image_digest(wanted)
    copy = copied(template, target.container, digest, plane.pinned)
    proposed = replace(template, document=copy.document)
    held = plane.lock()
    lock = None if held is None else read_lock(held)
    return Plan(
        target=target,
        region=region,
        template=template.arn,
        running=running.arn,
        strategy=service.strategy,
        image=digest,
        current_image=_image(running, target.container),
        copy=copy,
        changes=differences(running, proposed),
        back=way_back(plane, journal, running, target.container),
        in_the_way=tuple(_in_the_way(plane.deployments(), journal, lock, now)),
        notes=tuple(_notes(plane, copy, digest, image)),
    )


def way_back(
    plane: ControlPlane, journal: Journal, running: Revision, container: str
) -> WayBack | None:
    """What a rollback during or after the deployment would return to.

    Before the first deployment that is what runs now, because ``deploy`` records it first.
    """
    if journal.good is None:
        return checked(plane, running, container)
    try:
        good = plane.revision(journal.good.revision)
    except PlaneError as error:
        if error.failure is not PlaneFailure.NOT_FOUND:
            raise
        gone = f"{short(journal.good.revision)} was deleted"
        return WayBack(journal.good.revision, journal.good.image, (gone,))
    return checked(plane, good, container)


def checked(plane: ControlPlane, revision: Revision, container: str) -> WayBack:
    """Whether the service can return to this revision."""
    image = _image(revision, container)
    obstacles = []
    if not revision.active:
        obstacles.append(
            f"{short(revision.arn)} is {revision.document.get('status')}: it was deregistered, "
            "and no deployment may use it"
        )
    elif not image:
        obstacles.append(f"{short(revision.arn)} has no container '{container}'")
    else:
        obstacles += _missing_image(plane, image)
    return WayBack(revision.arn, image, tuple(obstacles), tuple(_losses(revision, container)))


def _missing_image(plane: ControlPlane, image: str) -> Iterator[str]:
    try:
        if plane.image_exists(image) is False:
            yield f"its image {image} is no longer in ECR: push it again, or keep it by a rule"
    except PlaneError as error:
        if error.failure not in {PlaneFailure.INVALID, PlaneFailure.ACCESS_DENIED}:
            raise
        yield f"whether its image still exists is not known: {error}"


def _losses(revision: Revision, container: str) -> Iterator[str]:
    if not _image(revision, container):
        return
    mine = revision.container(container)
    if "@" not in mine["image"]:
        yield (
            f"its image '{mine['image']}' has no digest: what this tag means may have changed since"
        )
    for secret in mine.get("secrets", ()):
        if not is_pinned(secret["valueFrom"]):
            yield (
                f"the secret {secret['name']} is not pinned to a version: its value will be the "
                "one that it has then"
            )


def _image(revision: Revision, container: str) -> str:
    try:
        return str(revision.container(container).get("image", ""))
    except KeyError:
        return ""


def _in_the_way(
    deployments: Sequence[Deployment], journal: Journal, lock: Lock | None, now: float
) -> Iterator[str]:
    for each in deployments:
        if not each.state.is_final:
            yield (
                f"the deployment {short(each.arn)} to {short(each.target)} is "
                f"{each.state.value}: wait for it, or end it with headgate ecs rollback"
            )
    if lock is not None and not lock.is_over(now):
        yield f"{lock.holder} on {lock.host} has the lock ({lock.purpose or 'no purpose given'})"
    elif journal.in_progress is not None:
        begun = journal.in_progress
        yield (
            f"a {begun.kind} by {begun.operator} was not ended (phase: {begun.phase}): run "
            "headgate ecs rollback first"
        )


def _notes(plane: ControlPlane, copy: Copy, image: str, asked: str | None) -> Iterator[str]:
    if plane.image_exists(image) is None:
        yield f"the image {image} is not in ECR: whether it exists shows when it is pulled"
    if asked is None:
        yield "no --image was given: this is the image of the template"
    for pin in copy.pins:
        if not pin.holds:
            yield (
                f"{pin.name} comes from SSM ({pin.before}), which ECS cannot pin: a rollback does "
                "not restore its value; keep it in Secrets Manager if it must"
            )
    if copy.unknown:
        names = ", ".join(copy.unknown)
        yield f"the template has {names}, which this version of Headgate does not copy"
