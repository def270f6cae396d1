"""``headgate mlflow plan``."""

from __future__ import annotations

from collections.abc import Iterator

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
    limits_of,
    site_of,
)
from headgate.cli.mlflow.running import view_of
from headgate.cli.mlflow.upgrade import SnapshotBy, To
from headgate.cli.output import document
from headgate.deploy.mlflow.beginning import journal_of
from headgate.deploy.mlflow.plan import Plan, Planning
from headgate.deploy.mlflow.words import size_in_words
from headgate.deploy.outcome import ExitCode

commands = typer.Typer()


@commands.command("plan", cls=Command)
def plan_(
    to: To,
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
    as_json: AsJson = False,
) -> None:
    """Show what an upgrade would do, and what is in its way.

    Nothing is changed.  The exit code is 2 if the upgrade would be refused.
    """
    asked = Asked(
        *(url, upstream, data, unit, current, mlflow_url, database_file, state, pg_bin),
        EcsAsked(cluster, service, container, region, running),
    )
    site = site_of(asked, view_of(as_json))
    planning = Planning(site, limits_of(maximum), external=snapshot == "external")
    found = planning.plan(to, journal_of(site))
    if as_json:
        print(document(found.document(), ok=not found.problems))
    else:
        for line in _lines(found):
            print(line)
    if found.problems:
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
    for title, texts in (("Note:", found.notes), ("In the way:", found.problems)):
        if texts:
            yield ""
            yield title
            for text in texts:
                yield f"  - {text}"


def _listed(migrations: tuple[str, ...]) -> str:
    return f" ({', '.join(migrations)})" if migrations else ": the schema stays"
