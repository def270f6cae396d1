"""``headgate mlflow rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.mlflow.ecs_host import (
    DEFAULT_CONTAINER,
    EcsAsked,
    EcsCluster,
    EcsContainer,
    EcsRegion,
    EcsRunning,
    EcsService,
)
from headgate.cli.mlflow.options import (
    DEFAULT_MAXIMUM,
    DEFAULT_SIZE,
    Asked,
    Current,
    Data,
    DatabaseFile,
    Maximum,
    MlflowUrl,
    PgBin,
    State,
    Unit,
    Upstream,
    Url,
    VerifyPython,
    VerifySize,
    limits_of,
    site_of,
)
from headgate.cli.mlflow.running import run, view_of
from headgate.deploy.mlflow.rollback import rollback

commands = typer.Typer()


@commands.command("rollback", cls=Command)
def rollback_(
    discard_since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Lose what was written since: the time of the snapshot, as the command names it.",
        ),
    ] = "",
    url: Url = None,
    upstream: Upstream = "default",
    data: Data = None,
    unit: Unit = None,
    current: Current = None,
    mlflow_url: MlflowUrl = None,
    database_file: DatabaseFile = None,
    cluster: EcsCluster = None,
    service: EcsService = None,
    container: EcsContainer = DEFAULT_CONTAINER,
    region: EcsRegion = None,
    running: EcsRunning = "",
    maximum: Maximum = DEFAULT_MAXIMUM,  # type: ignore[assignment]  # the parser reads it
    state: State = None,
    pg_bin: PgBin = None,
    python: VerifyPython = None,
    verify_size: VerifySize = DEFAULT_SIZE,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Return to the version and the database before an upgrade.

    An upgrade that is in progress is taken back, and nothing is lost.  After one that ended, the
    command says what would be lost, and needs --discard-since.  Exit code 0, or 3 out of an upgrade
    in progress: the old version runs again; 1: it failed; 2: nothing was done; 5: another command
    is at it.
    """
    asked = Asked(
        *(url, upstream, data, unit, current, mlflow_url, database_file, state, pg_bin),
        EcsAsked(cluster, service, container, region, running),
        *(python, verify_size),
    )
    view = view_of(as_json)
    site = site_of(asked, view)
    run(view, lambda: rollback(site, limits_of(maximum), discard_since))
