"""``headgate ecs status``."""

from __future__ import annotations

import typer

from headgate.cli.command import Command
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected

commands = typer.Typer()


@commands.command("status", cls=Command)
def status(
    cluster: Cluster,
    service: ServiceName,
    container: Container = "headgate",
    region: Region = None,
) -> None:
    """Show the service."""
    print(connected(cluster, service, container, region).service().revision)
