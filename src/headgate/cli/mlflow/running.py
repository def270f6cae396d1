"""Runs an engine of ``headgate mlflow`` and shows its end."""

from __future__ import annotations

from collections.abc import Callable

import typer
from rich.console import Console

from headgate.cli.deploy_verifying import terminable
from headgate.cli.deploy_views import ConsoleView, JsonView, View
from headgate.deploy.outcome import Outcome
from headgate.errors import HeadgateError


def view_of(as_json: bool) -> View:
    """Where the command shows what happens."""
    return JsonView() if as_json else ConsoleView(Console(highlight=False))


def run(view: View, engine: Callable[[], Outcome]) -> None:
    """Run an engine, show its end, and exit with its code.

    Raises:
        HeadgateError: nothing was done, or the journal says how far it came.
        Exit: it did not end as wanted.
    """
    with terminable():
        try:
            with view.live():
                outcome = engine()
        except KeyboardInterrupt:
            raise HeadgateError(
                "stopped on request; headgate mlflow status says whether anything is in progress"
            ) from None
    view.finish(outcome)
    if outcome.code:
        raise typer.Exit(int(outcome.code))
