"""``headgate ecs env-diff``: what a rollback changes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected, target_of
from headgate.cli.ecs.tables import said_of
from headgate.cli.output import document, tell
from headgate.deploy.ecs.diff import Difference, Kind, differences
from headgate.deploy.ecs.journal import read
from headgate.deploy.ecs.names import parameter, short
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Revision, Target
from headgate.errors import HeadgateError

commands = typer.Typer()
_TITLES: Mapping[str, tuple[Kind, ...]] = {
    "Environment": (Kind.ENVIRONMENT,),
    "Secrets": (Kind.SECRET,),
    "Image": (Kind.IMAGE,),
    "Everything else": (Kind.OTHER,),
}


@commands.command("env-diff", cls=Command)
def env_diff(
    cluster: Cluster,
    service: ServiceName,
    first: Annotated[
        str, typer.Argument(metavar="[FROM]", help="running, good, template or FAMILY:NUMBER.")
    ] = "running",
    second: Annotated[
        str, typer.Argument(metavar="[TO]", help="running, good, template or FAMILY:NUMBER.")
    ] = "good",
    container: Container = "headgate",
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show how two revisions differ.

    By default what a rollback changes back.

    Of secrets only the references are shown, and values that look secret are masked.
    """
    target = target_of(cluster, service, container)
    plane = connected(target, region)
    before, after = (_revision(plane, target, each) for each in (first, second))
    found = differences(before, after)
    if as_json:
        changes = [each.to_document() for each in found]
        print(document({"from": before.arn, "to": after.arn, "differences": changes}))
        return
    tell(f"from {first} ({short(before.arn)}) to {second} ({short(after.arn)})")
    if not found:
        print("The two revisions do not differ.")
    for title, kinds in _TITLES.items():
        _print(title, [each for each in found if each.kind in kinds], first, second)


def _print(title: str, found: list[Difference], first: str, second: str) -> None:
    if found:
        print(f"{title}:")
    for each in found:
        print(f"  {said_of(each, first, second)}")


def _revision(plane: ControlPlane, target: Target, name: str) -> Revision:
    known: Mapping[str, Callable[[], Revision]] = {
        "running": lambda: plane.revision(plane.service().revision),
        "template": plane.template,
        "good": lambda: _good(plane, target),
    }
    if name in known:
        return known[name]()
    if ":" not in name:
        raise HeadgateError(
            f"'{name}' is no revision: give running, good, template or FAMILY:NUMBER"
        )
    return plane.revision(name)


def _good(plane: ControlPlane, target: Target) -> Revision:
    journal = read(plane.journal(), parameter(target, "journal"))
    if journal.good is None:
        raise HeadgateError(
            "the journal names no good revision yet: nothing was deployed with headgate ecs; give "
            "FROM and TO, such as: headgate ecs env-diff running template"
        )
    return plane.revision(journal.good.revision)
