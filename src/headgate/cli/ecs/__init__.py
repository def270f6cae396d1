"""``headgate ecs``: deploy, watch and roll back the gate as a service of AWS ECS."""

from __future__ import annotations

import typer

from headgate.cli.ecs import deploy, drill, env_diff, plan, rollback, status

app = typer.Typer(
    help="Deploy the gate on AWS ECS, look at the service and roll it back.  Credentials, "
    "profile and endpoints are those of the AWS CLI.",
    invoke_without_command=True,
)
for module in (status, plan, deploy, rollback, env_diff, drill):
    app.add_typer(module.commands)


@app.callback()
def _ecs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
