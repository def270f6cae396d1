"""Options that all commands have, and the connection that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from headgate.cli.output import tell
from headgate.deploy.clock import Clock, SystemClock
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Target
from headgate.errors import HeadgateError

Cluster = Annotated[
    str,
    typer.Option(metavar="CLUSTER", envvar="HEADGATE_ECS_CLUSTER", help="The ECS cluster's name."),
]
ServiceName = Annotated[
    str,
    typer.Option(
        "--service",
        metavar="SERVICE",
        envvar="HEADGATE_ECS_SERVICE",
        help="The name of the gate's service.",
    ),
]
Container = Annotated[
    str, typer.Option(metavar="NAME", help="The gate's container in the task definition.")
]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="REGION",
        envvar="AWS_REGION",
        help="The AWS region.  [AWS_DEFAULT_REGION, or that of the profile]",
    ),
]


def target_of(cluster: str, service: str, container: str) -> Target:
    """The names of a service.

    Raises:
        HeadgateError: a name is no name.
    """
    for option, name in (
        ("--cluster", cluster),
        ("--service", service),
        ("--container", container),
    ):
        if not name or name.startswith("arn:") or "/" in name:
            raise HeadgateError(f"{option} takes a name, not an ARN or a path: '{name}'")
    return Target(cluster, service, container)


def connected(
    target: Target,
    region: str | None,
    clock: Clock | None = None,
    told: Callable[[str], None] = tell,
) -> ControlPlane:
    """AWS, for one service; the clock is the machine's by default.

    ``told`` hears what makes the command wait, by default as a line of standard error.

    Raises:
        HeadgateError: boto3 is not installed.
        PlaneError: no region is set.
    """
    try:
        from headgate.deploy.ecs.aws.plane import connect  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise HeadgateError(
            "'headgate ecs' needs boto3, which is not installed: pip install 'headgate[aws]'"
        ) from None
    return connect(target, region, SystemClock() if clock is None else clock, told)
