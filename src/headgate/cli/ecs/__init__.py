"""``headgate ecs``: deploy, watch and roll back the gate as a service of AWS ECS."""

from __future__ import annotations

import typer

from headgate.cli.ecs import env_diff, plan, status

app = typer.Typer(
    help="Deploy the gate as a service of AWS ECS, look at it and roll it back.  Credentials, "
    "profile and endpoints are those of the AWS CLI.",
    invoke_without_command=True,
)
for module in (status, plan, env_diff):
    app.add_typer(module.commands)


@app.callback()
def _ecs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
