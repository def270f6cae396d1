"""What ``deploy``, ``rollback`` and ``drill`` share: the site, verification, signals, the end."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from headgate.cli import client_tls
from headgate.cli.deploy_verifying import terminable, verified
from headgate.cli.deploy_views import ConsoleView, JsonView, View
from headgate.cli.verifier import Order
from headgate.cli.verify import key_to_send, size_of, tracking_url, user_name
from headgate.deploy.clock import Clock
from headgate.deploy.ecs.holding import Holding
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Target
from headgate.deploy.ecs.watching import Site
from headgate.deploy.outcome import Outcome, Verify
from headgate.deploy.phases import Phases, Source
from headgate.errors import HeadgateError

VerifyUrl = Annotated[
    str | None,
    typer.Option(
        "--verify-url",
        metavar="URL",
        help="The tracking URI that you give to clients; 'headgate verify' runs there.  The key "
        "comes from the environment, as for that command.",
    ),
]
VerifySize = Annotated[
    int,
    typer.Option(
        "--verify-size", parser=size_of, metavar="SIZE", help="Size of the large artifact."
    ),
]
VerifyPython = Annotated[
    Path | None,
    typer.Option("--python", metavar="FILE", help="Interpreter of an environment that has MLflow."),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=30.0,
        metavar="SECONDS",
        help="For the deployment to end; a rollback has the same time again.",
    ),
]
DEFAULT_SIZE = "16MiB"


def site_of(plane: ControlPlane, target: Target, clock: Clock, view: View) -> Site:
    """What an engine works with; AWS is asked who calls.

    Raises:
        PlaneError: AWS does not say.
    """
    operator = plane.caller().arn
    host = f"{socket.gethostname()}:{os.getpid()}"
    holding = Holding(plane, clock, target, operator, host, secrets.token_hex(8))
    return Site(target, plane, clock, view, holding, Phases(clock, view))


def view_of(as_json: bool) -> View:
    """Where the command shows what happens."""
    return JsonView() if as_json else ConsoleView()


def told_by(view: View) -> Callable[[str], None]:
    """Shows what makes the command wait."""
    return lambda text: view.news(Source.HEADGATE, text)


def verifier_at(url: str, size: int, python: Path | None) -> Verify:
    """``headgate verify`` at an address; everything that can be wrong before is found now.

    Raises:
        HeadgateError: there is no key, or the address or a certificate file is invalid.
    """
    target = tracking_url(url)
    if target.startswith("https:"):
        client_tls.context(os.environ)
    key, auth = key_to_send(os.environ)
    order = Order(
        python=str(python or sys.executable),
        url=target,
        key=key,
        auth=auth.value,
        username=user_name(os.environ),
        size=size,
        keep=False,
    )
    return lambda: verified(order)


def run(view: View, command: Callable[[], Outcome]) -> None:
    """Run an engine, show its end, and exit with its code.

    Raises:
        HeadgateError: nothing was done.
        Exit: it did not end as wanted.
    """
    with terminable():
        try:
            with view.live():
                outcome = command()
        except KeyboardInterrupt:
            raise HeadgateError("stopped on request; nothing was done") from None
    view.finish(outcome)
    if outcome.code:
        raise typer.Exit(int(outcome.code))
