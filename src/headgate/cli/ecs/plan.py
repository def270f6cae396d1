"""``headgate ecs plan``: what a deployment would do, and what can be returned to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected, target_of
from headgate.cli.ecs.tables import said_of
from headgate.cli.output import document
from headgate.deploy.clock import SystemClock
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.plan import NOT_ROLLED_BACK, Plan, WayBack, plan
from headgate.deploy.outcome import ExitCode

commands = typer.Typer()


@commands.command("plan", cls=Command)
def plan_(
    cluster: Cluster,
    service: ServiceName,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="What would be deployed.  [the template's image]"),
    ] = None,
    container: Container = "headgate",
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show what a deployment would do, and what a rollback returns to.

    Nothing is changed.  The exit code is 5 if a deployment could not begin now.
    """
    target = target_of(cluster, service, container)
    clock = SystemClock()
    found = plan(connected(target, region, clock), target, image, clock.now())
    if as_json:
        print(document(_document(found), ok=found.can_begin))
    else:
        for line in _lines(found):
            print(line)
    raise typer.Exit(ExitCode.DONE if found.can_begin else ExitCode.BUSY)


def _lines(found: Plan) -> Iterator[str]:
    yield f"service    {found.target.service} in cluster {found.target.cluster}, {found.region}"
    yield f"strategy   {found.strategy.value}"
    yield f"template   {short(found.template)}"
    yield f"runs now   {short(found.running)}  {found.current_image}"
    yield f"would run  {found.image}"
    yield ""
    if found.changes:
        yield "Changes from what runs now:"
        for each in found.changes:
            yield f"  {said_of(each, 'what runs now', 'the new revision')}"
    else:
        yield "The new revision would be the same as what runs now."
    for pin in found.copy.pins:
        if pin.holds and pin.after != pin.before:
            yield f"  secret {pin.name} is pinned: {pin.after}"
    yield ""
    yield from _of_way_back(found.back)
    yield "Never rolled back:"
    for what in NOT_ROLLED_BACK:
        yield f"  - {what}"
    for title, texts in (("Note:", found.notes), ("In the way:", found.in_the_way)):
        if texts:
            yield ""
            yield title
            for text in texts:
                yield f"  - {text}"


def _of_way_back(back: WayBack | None) -> Iterator[str]:
    if back is None:
        yield "There is no revision to roll back to."
        return
    name = short(back.revision)
    if back.obstacles:
        yield f"A rollback CANNOT return to {name}:"
        for obstacle in back.obstacles:
            yield f"  - {obstacle}"
    else:
        yield f"A rollback returns to {name}  {back.image}"
    for loss in back.losses:
        yield f"  - {loss}"


def _document(found: Plan) -> Mapping[str, Any]:
    back = found.back
    return {
        "cluster": found.target.cluster,
        "service": found.target.service,
        "region": found.region,
        "strategy": found.strategy.value,
        "template": found.template,
        "running": found.running,
        "current_image": found.current_image,
        "image": found.image,
        "changes": [each.to_document() for each in found.changes],
        "secrets": [
            {"name": each.name, "reference": each.after, "pinned": each.holds}
            for each in found.copy.pins
        ],
        "rollback": None
        if back is None
        else {
            "revision": back.revision,
            "image": back.image,
            "possible": not back.obstacles,
            "obstacles": list(back.obstacles),
            "losses": list(back.losses),
        },
        "never_rolled_back": list(NOT_ROLLED_BACK),
        "in_the_way": list(found.in_the_way),
        "notes": list(found.notes),
    }
