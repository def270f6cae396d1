"""``headgate health``: whether the gate on this machine works, for the health check of a container.

It reads one setting; the checks of all of them, which take longer, are left to the gate.  Without
options ``headgate.__main__`` does the same before the command line is imported.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from headgate.cli.command import AsJson, ConfigFile
from headgate.cli.output import document, tell
from headgate.diagnosis.own_health import LIVE, READY, SECONDS, examine


def health(
    config: ConfigFile = None,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready", help="Ask whether it can serve requests, too: 1 while MLflow is down."
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=60, help="Time for the response.")
    ] = SECONDS,
    as_json: AsJson = False,
) -> None:
    """Ask whether the gate on this machine works, for health checks.

    Exit code 0: it works, 1: it does not. It asks the operators' listener (`ops.listen`) of the
    configuration that `headgate serve` gets.
    """
    found = examine(config, os.environ, READY if ready else LIVE, timeout)
    if as_json:
        print(document({"seen": found.seen}, ok=found.ok))
    elif found.ok:
        print(found.seen)
    if not found.ok:
        tell(f"headgate: {found.seen}")
        raise typer.Exit(1)
