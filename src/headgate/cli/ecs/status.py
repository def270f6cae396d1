"""``headgate ecs status``: the service as it is, and what in it does not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected, target_of
from headgate.cli.ecs.tables import ago, print_table, said_of
from headgate.cli.output import document
from headgate.deploy.clock import SystemClock
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.status import Status, status
from headgate.deploy.outcome import ExitCode

commands = typer.Typer()


@commands.command("status", cls=Command)
def status_(
    cluster: Cluster,
    service: ServiceName,
    container: Container = "headgate",
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show the service, its tasks, and what in it does not agree.

    Compares the tasks with the revision of the service and with Cloud Map, the running revision
    with Terraform's template, and the service with the journal.  The exit code is 1 if something
    does not agree.
    """
    target = target_of(cluster, service, container)
    clock = SystemClock()
    found = status(connected(target, region, clock), target, clock.now())
    if as_json:
        print(document(_document(found), ok=found.agrees))
    else:
        _print(found)
    raise typer.Exit(ExitCode.DONE if found.agrees else ExitCode.FAILED)


def _print(found: Status) -> None:
    for line in _head(found):
        print(line)
    if found.deployments:
        print_table(
            ("DEPLOYMENT", "STATE", "REVISION", "BEGAN", "REASON"),
            (
                (
                    short(each.arn),
                    " ".join(filter(None, (each.state.value, each.stage))),
                    short(each.target),
                    ago(each.started_at, found.at),
                    each.reason,
                )
                for each in found.deployments
            ),
        )
    names = {each.id: each for each in found.instances or ()}
    print_table(
        ("TASK", "REVISION", "STATUS", "HEALTH", "ADDRESS", "CLOUD MAP"),
        (
            (
                short(each.arn),
                short(each.revision),
                each.status,
                each.health,
                each.address,
                _registered(names.get(short(each.arn)), found),
            )
            for each in found.tasks
        ),
    )
    if found.drift:
        print("The running revision differs from the template:")
        for difference in found.drift:
            print(f"  {said_of(difference, 'template', 'running')}")
    if found.agrees:
        print("All agrees.")
    else:
        print("What does not agree:")
        for problem in found.problems:
            print(f"  - {problem}")


def _head(found: Status) -> Iterator[str]:
    service, target = found.service, found.target
    yield f"service    {target.service} in cluster {target.cluster}, {found.region}"
    yield f"tasks      {service.running} running, {service.desired} desired"
    yield f"strategy   {service.strategy.value}"
    yield f"running    {short(found.running.arn)}  {_image(found)}"
    yield f"template   {'none' if found.template is None else short(found.template.arn)}"
    if found.journal is None:
        yield "journal    unreadable"
    elif found.journal.good is None:
        yield "journal    empty: nothing was deployed with headgate ecs yet"
    else:
        good = found.journal.good
        yield f"good       {short(good.revision)}, since {ago(good.since, found.at)}"
    if found.journal is not None and (begun := found.journal.in_progress) is not None:
        since = ago(begun.started_at, found.at)
        yield f"changing   {begun.kind} by {begun.operator}, {since}; phase: {begun.phase}"
    if (lock := found.lock) is not None:
        yield (
            f"lock       {lock.holder} on {lock.host}, taken {ago(lock.taken_at, found.at)}"
            f"{f', for {lock.purpose}' if lock.purpose else ''}"
        )


def _registered(instance: Any, found: Status) -> str:
    if found.instances is None:
        return "not used"
    return "missing" if instance is None else instance.health or "registered"


def _image(found: Status) -> str:
    try:
        return str(found.running.container(found.target.container).get("image", ""))
    except KeyError:
        return f"(no container '{found.target.container}')"


def _document(found: Status) -> dict[str, Any]:
    service = found.service
    return {
        "cluster": found.target.cluster,
        "service": found.target.service,
        "region": found.region,
        "revision": service.revision,
        "image": _image(found),
        "template": None if found.template is None else found.template.arn,
        "strategy": service.strategy.value,
        "desired": service.desired,
        "running": service.running,
        "pending": service.pending,
        "deployments": [
            {
                "arn": each.arn,
                "state": each.state.value,
                "stage": each.stage,
                "revision": each.target,
                "reason": each.reason,
                "paused_hooks": list(each.paused_hooks),
                "started_at": each.started_at,
                "finished_at": each.finished_at,
            }
            for each in found.deployments
        ],
        "tasks": [
            {
                "arn": each.arn,
                "revision": each.revision,
                "status": each.status,
                "health": each.health,
                "address": each.address,
            }
            for each in found.tasks
        ],
        "instances": None
        if found.instances is None
        else [
            {"id": each.id, "address": each.address, "port": each.port, "health": each.health}
            for each in found.instances
        ],
        "drift": [each.to_document() for each in found.drift],
        "journal": None if found.journal is None else found.journal.to_document(),
        "lock": None if found.lock is None else found.lock.to_document(),
        "problems": list(found.problems),
    }
