"""``headgate gates``: the gates that share a key store, and how to forget one that is gone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.maintaining import Url, gate_api
from headgate.cli.output import document

app = typer.Typer(
    help="List the gates that share a key store, and remove one that is gone.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", cls=Command)
def list_(url: Url = None, as_json: AsJson = False) -> None:
    """List the gates that follow what is asked of upstreams.

    The key comes from HEADGATE_API_KEY, or from a prompt; it needs the grant read:gate.
    """
    found: list[dict[str, Any]] = gate_api(url).ask("GET", "gates")["gates"]
    if as_json:
        print(document({"gates": found}))
        return
    for each in found:
        print(_line(each))


@app.command(cls=Command)
def remove(
    gate: Annotated[str, typer.Argument(metavar="ID", help="The id that `list` shows.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Remove a gate that is gone, so that a park no longer waits for it.

    A gate that is not gone comes back with its next report.  The key needs the grant
    administer:gate.
    """
    found = gate_api(url).ask("POST", f"gates/{gate}/remove", {})["gate"]
    if as_json:
        print(document({"gate": found}))
    else:
        print(f"removed {_line(found)}")


def _line(gate: dict[str, Any]) -> str:
    workers = f"{gate['workers']} worker{'s' if gate['workers'] > 1 else ''}"
    return (
        f"{gate['id']}  {gate['name']}  {gate['version']}, {workers}, {gate['state']}, "
        f"seen {gate['seen_at']}"
    )
