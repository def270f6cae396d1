"""``headgate keys``: create, list, change and revoke API keys."""

from __future__ import annotations

import typer

from headgate.cli.keys import changing, importing, listing, making, offline

app = typer.Typer(
    help="Create, list, change and revoke API keys.  Running gates follow within 2 seconds.",
    invoke_without_command=True,
)
for module in (making, listing, changing, importing, offline):
    app.add_typer(module.commands)


@app.callback()
def _keys(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
