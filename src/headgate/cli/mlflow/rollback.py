"""``headgate mlflow rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.mlflow.options import Changes
from headgate.cli.mlflow.running import run
from headgate.cli.option_records import takes
from headgate.deploy.mlflow.rollback import rollback

commands = typer.Typer()


@commands.command("rollback", cls=Command)
@takes(Changes)
def rollback_(
    asked: Changes,
    discard_since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Lose what was written since: the time of the snapshot, as the command names it.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Return to the version and the database before an upgrade.

    An upgrade that is in progress is taken back, and nothing is lost.  After one that ended, the
    command says what would be lost, and needs --discard-since.  Exit code 0, or 3 out of an upgrade
    in progress: the old version runs again; 1: it failed; 2: nothing was done; 5: another command
    is at it.
    """
    run(asked, as_json, lambda site: rollback(site, asked.limits, discard_since))
