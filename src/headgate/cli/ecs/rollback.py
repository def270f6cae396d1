"""``headgate ecs rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected, target_of
from headgate.cli.ecs.running import (
    DEFAULT_SIZE,
    Timeout,
    VerifyPython,
    VerifySize,
    VerifyUrl,
    run,
    site_of,
    told_by,
    verifier_at,
    view_of,
)
from headgate.deploy.clock import SystemClock
from headgate.deploy.ecs.rollback import Rollback

commands = typer.Typer()


@commands.command("rollback", cls=Command)
def rollback(
    cluster: Cluster,
    service: ServiceName,
    to: Annotated[
        str,
        typer.Option(
            metavar="FAMILY:NUMBER",
            help="The revision, also by its ARN.  [the good one of the journal]",
        ),
    ] = "",
    verify_url: VerifyUrl = None,
    timeout: Timeout = 900.0,
    container: Container = "headgate",
    region: Region = None,
    verify_size: VerifySize = DEFAULT_SIZE,  # type: ignore[assignment]  # the parser reads it
    python: VerifyPython = None,
    as_json: AsJson = False,
) -> None:
    """Return to the good revision, whatever is going on.

    A deployment in progress is stopped; else the service moves to the good revision of the
    journal.  It also ends the deploy of another operator, whose command then says so.  Exit code
    0: every task runs that revision; 1: it failed; 2: nothing was done; 4: it took too long; 5:
    another rollback is going on.
    """
    verify = None if verify_url is None else verifier_at(verify_url, verify_size, python)
    clock, target = SystemClock(), target_of(cluster, service, container)
    view = view_of(as_json)
    plane = connected(target, region, clock, told_by(view))
    run(
        view,
        lambda: Rollback(site_of(plane, target, clock, view), to, timeout, verify).run(),
    )
