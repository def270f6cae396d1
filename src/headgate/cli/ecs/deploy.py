"""``headgate ecs deploy``."""

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
from headgate.deploy.ecs.ordering import Order
from headgate.deploy.ecs.preparing import preparing
from headgate.deploy.ecs.rollout import Rollout
from headgate.deploy.outcome import Outcome
from headgate.errors import HeadgateError

commands = typer.Typer()


@commands.command("deploy", cls=Command)
def deploy(
    cluster: Cluster,
    service: ServiceName,
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="The gate's image, with a tag of ECR or a digest.")
    ],
    verify_url: VerifyUrl = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Verify nothing through the gate.")
    ] = False,
    test_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Blue/green: the address of the test listener, where the new revision is "
            "verified before production traffic reaches it.",
        ),
    ] = None,
    watch: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="How long to compare 5xx and p99 with those before; 0: not at all.",
        ),
    ] = 600.0,
    timeout: Timeout = 1800.0,
    no_upgrade: Annotated[
        bool,
        typer.Option("--no-upgrade", help="Do not run 'headgate db upgrade' in a task first."),
    ] = False,
    accept_current: Annotated[
        bool,
        typer.Option(
            "--accept-current",
            help="Take what runs now as the revision to return to, without verifying it.",
        ),
    ] = False,
    container: Container = "headgate",
    region: Region = None,
    verify_size: VerifySize = DEFAULT_SIZE,  # type: ignore[assignment]  # the parser reads it
    python: VerifyPython = None,
    as_json: AsJson = False,
) -> None:
    """Deploy an image, and go back if anything fails.

    A failure before the service moves leaves it as it was; any later one returns it to the
    revision that ran before.  Exit code 0: it runs; 1: it failed, and so did the way back; 2:
    nothing was done; 3: rolled back; 4: it took too long; 5: another deployment is going on.
    """
    if (verify_url is None) is not no_verify:
        raise HeadgateError("give either --verify-url, or --no-verify")
    if no_verify and test_url is not None:
        raise HeadgateError("--test-url needs --verify-url as well")
    verify = None if verify_url is None else verifier_at(verify_url, verify_size, python)
    verify_test = None if test_url is None else verifier_at(test_url, verify_size, python)
    clock, target = SystemClock(), target_of(cluster, service, container)
    view = view_of(as_json)
    plane = connected(target, region, clock, told_by(view))
    order = Order(image, watch, timeout, not no_upgrade, accept_current)

    def rollout() -> Outcome:
        site = site_of(plane, target, clock, view)
        prepare = preparing(plane, target, plane.caller().arn)
        return Rollout(site, order, prepare, verify, verify_test).run()

    run(view, rollout)
