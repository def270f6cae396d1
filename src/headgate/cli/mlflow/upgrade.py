"""``headgate mlflow upgrade``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.mlflow.options import Changes, MaybeTo, SnapshotBy
from headgate.cli.mlflow.running import run
from headgate.cli.option_records import takes
from headgate.deploy.mlflow.site import AskForSnapshot, Site
from headgate.deploy.mlflow.upgrade import Wanted, go_on, upgrade
from headgate.deploy.outcome import Outcome
from headgate.errors import HeadgateError

commands = typer.Typer()


@commands.command("upgrade", cls=Command)
@takes(Changes)
def upgrade_(
    asked: Changes,
    to: MaybeTo = None,
    continue_: Annotated[
        bool,
        typer.Option("--continue", help="Go on where a command before was interrupted."),
    ] = False,
    snapshot: SnapshotBy = "file",
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

    def engine(site: Site) -> Outcome:
        if to is None:
            return go_on(site, asked.limits, ask)
        return upgrade(site, asked.limits, Wanted(to, ask))

    run(asked, as_json, engine)


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
        try:
            name = str(typer.prompt("Its name, once it is available (empty: go back)", default=""))
        except (typer.Abort, OSError):  # the terminal was closed
            name = ""
        if not name.strip():
            raise HeadgateError("no snapshot was made")
        return name.strip()

    return ask
