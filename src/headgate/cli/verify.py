"""``headgate verify``: the test that an operator runs after each deployment.

The steps use the real MLflow client.  It runs in a separate program (``headgate_verify``), because
it keeps addresses and credentials in process-wide state, and the gate does not need it.  This
command finds the key, starts the program and shows its events.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console

from headgate.cli import client_tls
from headgate.cli.command import AsJson
from headgate.cli.verifier import Order, verifying
from headgate.cli.verify_report import ConsoleView, JsonView, Report
from headgate.errors import HeadgateError


class Auth(enum.StrEnum):
    """How the key is sent."""

    BEARER = "bearer"
    BASIC = "basic"


# In this order, each with the scheme that MLflow's client would use for it.
_KEY_VARIABLES = {
    "HEADGATE_API_KEY": Auth.BEARER,
    "MLFLOW_TRACKING_TOKEN": Auth.BEARER,
    "MLFLOW_TRACKING_PASSWORD": Auth.BASIC,
}
_USERNAME = "headgate-verify"  # the gate takes any user name


def size_of(text: str) -> int:
    """Read ``128MiB`` and the like."""
    try:
        size = TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        size = ByteSize(0)
    if size < 1:
        raise typer.BadParameter(f"{text!r} is not a size such as 64KiB, 128MiB or 2GiB")
    return int(size)


def verify(
    url: Annotated[
        str, typer.Option(metavar="URL", help="The tracking URI that you give to clients.")
    ],
    auth: Annotated[Auth | None, typer.Option(help="How the key is sent.  [bearer]")] = None,
    size: Annotated[
        int, typer.Option(parser=size_of, metavar="SIZE", help="Size of the large artifact.")
    ] = "128MiB",  # type: ignore[assignment]  # typer gives the default to the parser as well
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything that it creates in MLflow.")
    ] = False,
    as_json: AsJson = False,
    python: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Interpreter of an environment that has MLflow."),
    ] = None,
) -> None:
    """Register a model through a running gate, step by step, and remove it again.

    The key comes from HEADGATE_API_KEY, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_PASSWORD, or
    from a prompt.  The exit code is 0 only if every step passed.
    """
    target = tracking_url(url)
    if target.startswith("https:"):
        client_tls.context(os.environ)  # reports an invalid file before anything is sent
    key, source = key_to_send(os.environ)
    order = Order(
        python=str(python or sys.executable),
        url=target,
        key=key,
        auth=(auth or source).value,
        username=user_name(os.environ),
        size=size,
        keep=keep,
    )
    report = Report(url=order.url, auth=order.auth, keep=order.keep)
    view = JsonView() if as_json else ConsoleView(Console())
    with verifying(order) as verifier, view.live():
        for event in verifier.events():
            view.show(report, event, report.add(event))
        if not report.complete:
            report.error = verifier.why_it_ended()
    view.finish(report)
    if not report.passed:
        raise typer.Exit(1)


def tracking_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        HeadgateError: it is not a URL, or it contains credentials, which the message omits.
    """
    cure = "use the tracking URI, as in --url http://127.0.0.1:8080/mlflow"
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for an invalid port
    except ValueError as error:
        raise HeadgateError(f"--url: {error}; {cure}") from None
    if "@" in parts.netloc:
        raise HeadgateError("--url contains credentials; set HEADGATE_API_KEY to the key instead")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HeadgateError(f"--url: {url!r} is not an http:// or https:// address; {cure}")
    if parts.query or parts.fragment:
        raise HeadgateError(f"--url: must not have a query or fragment; {cure}")
    return url.rstrip("/")


def key_to_send(environment: Mapping[str, str]) -> tuple[str, Auth]:
    """The key and how to send it, from the environment or from a prompt."""
    for name, auth in _KEY_VARIABLES.items():
        if environment.get(name):
            return _sendable(environment[name].strip(), name), auth
    if not sys.stdin.isatty():
        raise HeadgateError(
            "there is no key; set HEADGATE_API_KEY to one (create it with: headgate keys create "
            "NAME)"
        )
    return _sendable(typer.prompt("API key", hide_input=True, err=True).strip(), "key"), Auth.BEARER


def user_name(environment: Mapping[str, str]) -> str:
    """The user name beside a key that is sent with Basic; the gate does not look at it."""
    return environment.get("MLFLOW_TRACKING_USERNAME") or _USERNAME


def _sendable(key: str, name: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise HeadgateError(
            f"the {name} contains a space or another character that is not valid in an HTTP "
            "header; copy the key again"
        )
    return key
