"""The options for an MLflow that is a service of ECS, and its host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from headgate.cli.ecs.options import target_of
from headgate.deploy.clock import Clock
from headgate.deploy.ecs.records import Target
from headgate.deploy.mlflow.ecs import CONTAINER, EcsHost, MlflowPlane
from headgate.deploy.mlflow.schemas import revisions_of
from headgate.errors import HeadgateError

EcsCluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="CLUSTER", help="MLflow is a service of this ECS cluster."),
]
EcsService = Annotated[
    str | None,
    typer.Option("--service", metavar="SERVICE", help="With --cluster: MLflow's service."),
]
EcsContainer = Annotated[
    str, typer.Option("--container", metavar="NAME", help="With --cluster: MLflow's container.")
]
EcsRegion = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="REGION",
        envvar="AWS_REGION",
        help="With --cluster: the AWS region.  [AWS_DEFAULT_REGION, or that of the profile]",
    ),
]
EcsRunning = Annotated[
    str,
    typer.Option(
        "--running",
        metavar="VERSION",
        help="With --cluster: the version that runs, if the tag of its image does not say it.",
    ),
]
DEFAULT_CONTAINER = CONTAINER


@dataclass(frozen=True, slots=True)
class EcsAsked:
    """These options."""

    cluster: str | None = None
    service: str | None = None
    container: str = DEFAULT_CONTAINER
    region: str | None = None
    running: str = ""

    @property
    def repeated(self) -> Sequence[tuple[str, str]]:
        """The options as a command line has them."""
        given = (
            ("cluster", self.cluster),
            ("service", self.service),
            ("container", "" if self.container == DEFAULT_CONTAINER else self.container),
            ("region", self.region),
            ("running", self.running),
        )
        return [(name, str(value)) for name, value in given if value]


def ecs_host(asked: EcsAsked, clock: Clock) -> EcsHost:
    """The host.

    Raises:
        HeadgateError: an option is missing or no name, or boto3 is not installed.
        PlaneError: no region is set.
    """
    if not asked.service:
        raise HeadgateError("--cluster needs --service SERVICE as well")
    target = target_of(asked.cluster or "", asked.service, asked.container)
    plane = _connected(target, asked.region, clock)
    return EcsHost(target, plane, clock, revisions_of, asked.running)


def _connected(target: Target, region: str | None, clock: Clock) -> MlflowPlane:
    try:
        from headgate.deploy.ecs.aws.mlflow_plane import connect  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise HeadgateError(
            "--cluster needs boto3, which is not installed: pip install 'headgate[aws]'"
        ) from None
    return connect(target, region, clock)
