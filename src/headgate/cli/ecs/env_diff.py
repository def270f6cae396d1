"""``headgate ecs env-diff``."""

from __future__ import annotations

import typer

from headgate.cli.command import Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected

commands = typer.Typer()


@commands.command("env-diff", cls=Command)
def env_diff(
    cluster: Cluster,
    service: ServiceName,
    container: Container = "headgate",
    region: Region = None,
) -> None:
    """Show the service."""
    print(connected(cluster, service, container, region).service().revision)
