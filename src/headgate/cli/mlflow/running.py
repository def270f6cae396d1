"""Runs an engine of ``headgate mlflow`` and shows its end."""

from __future__ import annotations

from collections.abc import Callable

import typer

from headgate.cli.deploy_views import ConsoleView, JsonView, View
from headgate.cli.interrupts import Interrupts
from headgate.cli.mlflow.options import Asked, site_of
from headgate.cli.mlflow.reports import keep
from headgate.cli.output import tell
from headgate.deploy.mlflow.site import Site
from headgate.deploy.outcome import Outcome
from headgate.errors import HeadgateError


def view_of(as_json: bool) -> View:
    """Where the command shows what happens."""
    return JsonView() if as_json else ConsoleView()


def run(asked: Asked, as_json: bool, engine: Callable[[Site], Outcome]) -> None:
    """Run an engine, show its end, and exit with its code.

    Raises:
        HeadgateError: nothing was done.
        Exit: it did not end as wanted.
    """
    view, interrupts = view_of(as_json), Interrupts()
    with interrupts.listening():
        try:
            site = site_of(asked, view, interrupts)
            with view.live():
                outcome = engine(site)
        except KeyboardInterrupt:
            raise HeadgateError("stopped on request; nothing was done") from None
        with interrupts.shield():
            report = keep(asked.folder, outcome, site)
            view.finish(outcome)
            if view.output.lost:
                tell(f"headgate: the output could not be written; how it ended is in {report}")
    if outcome.code:
        raise typer.Exit(int(outcome.code))
