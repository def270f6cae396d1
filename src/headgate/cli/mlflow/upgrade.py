"""``headgate mlflow upgrade``."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

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
from headgate.deploy.mlflow.site import AskForSnapshot
from headgate.deploy.mlflow.upgrade import Wanted, go_on, upgrade
from headgate.deploy.outcome import Outcome
from headgate.errors import HeadgateError

commands = typer.Typer()

To = Annotated[
    str,
    typer.Option(
        "--to", metavar="VERSION", help="Such as 3.17.2, or the folder of its environment."
    ),
]
SnapshotBy = Annotated[
    Literal["file", "external"],
    typer.Option(
        "--snapshot",
        help="'file': made and restored by this command; 'external': by you, such as a snapshot of "
        "RDS, when the command asks for it.",
    ),
]


@commands.command("upgrade", cls=Command)
def upgrade_(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="VERSION", help="Such as 3.17.2, or the folder of its environment."
        ),
    ] = None,
    continue_: Annotated[
        bool,
        typer.Option("--continue", help="Go on where a command before was interrupted."),
    ] = False,
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
    snapshot: SnapshotBy = "file",
    state: State = None,
    pg_bin: PgBin = None,
    python: VerifyPython = None,
    verify_size: VerifySize = DEFAULT_SIZE,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Upgrade MLflow while its clients wait.

    Park, drain, stop MLflow, save its database, migrate it, start the new version, verify it behind
    the parked gate, unpark.  Exit code 0: the new version runs; 1: the way back failed too, and
    clients are kept away; 2: nothing was done; 3: the old version runs again on its database; 5:
    another command is at it, or somebody else has parked the upstream.
    """
    if (to is None) is not continue_:
        raise HeadgateError("give either --to VERSION, or --continue")
    ask = None if snapshot == "file" else asking()
    asked = Asked(
        *(url, upstream, data, unit, current, mlflow_url, database_file, state, pg_bin),
        EcsAsked(cluster, service, container, region, running),
        *(python, verify_size),
    )
    view = view_of(as_json)
    site = site_of(asked, view)
    limits = limits_of(maximum)

    def engine() -> Outcome:
        if to is None:
            return go_on(site, limits, ask)
        return upgrade(site, limits, Wanted(to, ask))

    run(view, engine)


def asking() -> AskForSnapshot:
    """Asks at the terminal.

    Raises:
        HeadgateError: there is none.
    """
    if not sys.stdin.isatty():
        raise HeadgateError("--snapshot external asks you to make a snapshot, and needs a terminal")

    def ask(database: str) -> str:
        typer.echo(
            f"MLflow is stopped, and nothing writes to {database}. Make a snapshot of it now; for "
            "RDS:\n  aws rds create-db-snapshot --db-instance-identifier INSTANCE "
            "--db-snapshot-identifier NAME\n  aws rds wait db-snapshot-available "
            "--db-snapshot-identifier NAME\nTo restore it later, with MLflow stopped:\n  aws rds "
            "restore-db-instance-from-db-snapshot --db-instance-identifier NEW "
            "--db-snapshot-identifier NAME\nand let MLflow's database URL name the new instance.",
            err=True,
        )
        name = str(typer.prompt("Its name, once it is available (empty: go back)", default=""))
        if not name.strip():
            raise HeadgateError("no snapshot was made")
        return name.strip()

    return ask
