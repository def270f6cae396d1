"""``headgate mlflow``: upgrade the MLflow behind a gate while its clients wait, and go back."""

from __future__ import annotations

import typer

from headgate.cli.mlflow import plan, rollback, snapshots, status, upgrade

app = typer.Typer(
    help="Upgrade the MLflow behind a gate while its clients wait, and go back.",
    invoke_without_command=True,
)
for module in (plan, upgrade, rollback, status, snapshots):
    app.add_typer(module.commands)


@app.callback()
def _mlflow(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
