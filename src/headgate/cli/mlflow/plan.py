"""``headgate mlflow plan``."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.interrupts import Interrupts
from headgate.cli.mlflow.options import Asked, SnapshotBy, To, site_of
from headgate.cli.mlflow.running import view_of
from headgate.cli.option_records import takes
from headgate.cli.output import document
from headgate.deploy.mlflow.beginning import journal_of
from headgate.deploy.mlflow.plan import Plan, Planning
from headgate.deploy.mlflow.words import size_in_words
from headgate.deploy.outcome import ExitCode

commands = typer.Typer()


@commands.command("plan", cls=Command)
@takes(Asked)
def plan_(asked: Asked, to: To, snapshot: SnapshotBy = "file", as_json: AsJson = False) -> None:
    """Show what an upgrade would do, and what is in its way.

    Nothing is changed.  The exit code is 2 if the upgrade would be refused.
    """
    site = site_of(asked, view_of(as_json), Interrupts())
    planning = Planning(site, asked.limits, external=snapshot == "external")
    found = planning.plan(to, journal_of(site))
    if as_json:
        print(document(found.document(), ok=not found.all_problems))
    else:
        for line in _lines(found):
            print(line)
    if found.all_problems:
        raise typer.Exit(int(ExitCode.NOTHING_DONE))


def _lines(found: Plan) -> Iterator[str]:
    target = found.target
    yield f"host       {found.host}"
    yield f"runs now   MLflow {found.source.number}, schema {found.source.head}"
    yield f"           {found.source.place}"
    if target is not None:
        yield f"would run  MLflow {target.number}, schema {target.head}"
        yield f"           {target.place}"
    yield f"database   {found.database}, {size_in_words(found.size)}, schema {found.head}"
    yield f"migrations {len(found.migrations)}{_listed(found.migrations)}"
    if found.estimate is not None:
        yield f"estimate   {found.estimate.in_words()}"
    yield f"way back   {found.way_back}"
    yield f"gates      {found.gates}"
    for title, texts in (("Note:", found.notes), ("In the way:", found.all_problems)):
        if texts:
            yield ""
            yield title
            for text in texts:
                yield f"  - {text}"


def _listed(migrations: tuple[str, ...]) -> str:
    return f" ({', '.join(migrations)})" if migrations else ": the schema stays"
