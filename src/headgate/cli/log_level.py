"""``headgate log-level``: how much each part of a running gate logs."""

# ruff: noqa: PLC0415 - `headgate --help` must not import what only a running command needs
from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headgate.cli.administering import span
from headgate.cli.command import AsJson, Command
from headgate.cli.output import document
from headgate.errors import HeadgateError

TRACKING_URI = "MLFLOW_TRACKING_URI"
USUAL_SECONDS = 600
_WIDTH = 12

app = typer.Typer(
    help="Show and set how much each part of a running gate logs.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help=f"Address of the gate.  [the one of {TRACKING_URI}]"),
]


@app.command(cls=Command)
def show(url: Url = None, as_json: AsJson = False) -> None:
    """Show the level of each part of a gate, and until when it was set.

    The key comes from HEADGATE_API_KEY, or from a prompt; it needs the grant read:gate.
    """
    _print(_ask(url, "GET", "log-levels"), as_json=as_json)


@app.command("set", cls=Command)
def set_(
    module: Annotated[str, typer.Argument(metavar="MODULE", help="A part that `show` lists.")],
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="debug, info, warning or error.")],
    life: Annotated[
        float | None,
        typer.Option("--for", metavar="TIME", parser=span, help="How long, at most 1d.  [10m]"),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Set how much a part of a gate logs, for a while.

    It holds in all processes of the gate, and each change is an event in its log.  The key needs
    the grant administer:gate.
    """
    body = {
        "module": module,
        "level": level,
        "seconds": USUAL_SECONDS if life is None else math.ceil(life),
    }
    _print(_ask(url, "POST", "log-levels", body), as_json=as_json)


@app.command(cls=Command)
def reset(
    module: Annotated[
        str, typer.Argument(metavar="MODULE", help="A part that `show` lists.")
    ] = "all",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Put a part of a gate, or all, back at the usual level.

    The key needs the grant administer:gate.
    """
    _print(_ask(url, "POST", "log-levels/reset", {"module": module}), as_json=as_json)


def _ask(
    url: str | None, method: str, path: str, body: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The levels after a request to the gate.

    Raises:
        HeadgateError: it cannot be asked, or does not do it.
    """
    from headgate.cli.gate_api import GateApi

    address = url or os.environ.get(TRACKING_URI)
    if not address:
        raise HeadgateError(f"which gate? name it with --url, or set {TRACKING_URI}")
    found: list[dict[str, Any]] = GateApi.of(address, os.environ).ask(method, path, body)["modules"]
    return found


def _print(levels: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(document({"modules": levels}))
        return
    for each in levels:
        until = f"  until {each['ends_at']}" if each["ends_at"] else ""
        print(f"{each['module']:{_WIDTH}}{each['level']:8}{until}".rstrip())
