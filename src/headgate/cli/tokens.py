"""``headgate tokens``: says why the gate accepts or refuses a token."""

from __future__ import annotations

import dataclasses
import os
import sys
import time

import typer
from rich.console import Console

from headgate.auth.tokens.examination import Verdict, examine
from headgate.auth.tokens.refusals import LONGEST_TOKEN
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.output import document
from headgate.config import load
from headgate.errors import HeadgateError
from headgate.policy import Roles

EXIT_REFUSED = 1
_STEP_WIDTH = 24

app = typer.Typer(
    help="Say step by step why the gate accepts or refuses a token (JWT).",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(cls=Command)
def check(as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Say step by step why the gate accepts or refuses a token.

    The token comes from standard input, or from a prompt: echo "$TOKEN" | headgate tokens check.
    The keys of its issuer are fetched as the configuration says, and each rule is compared with its
    claims.  The output has values of claims, but not the token.  The exit code is 1 if it is
    refused.
    """
    settings = load(config, os.environ)
    if not settings.auth.issuers:
        raise HeadgateError("the configuration has no issuers of tokens (auth.issuers)")
    text = _token()
    verdict = examine(text, settings.auth.issuers, Roles(settings.roles), time.time())
    if as_json:
        print(_as_json(verdict))
    else:
        _show(verdict)
    if verdict.principal is None:
        raise typer.Exit(EXIT_REFUSED)


def _token() -> str:
    """The token to check.

    Raises:
        HeadgateError: there is none.
    """
    if sys.stdin is None:
        raise HeadgateError('standard input is closed: echo "$TOKEN" | headgate tokens check')
    if sys.stdin.isatty():
        shown = str(typer.prompt("Token", hide_input=True, err=True))
    else:
        shown = sys.stdin.buffer.read(4 * LONGEST_TOKEN).decode("latin-1")
    text = shown.strip().removeprefix("Bearer ").strip()
    if not text:
        raise HeadgateError('no token on standard input: echo "$TOKEN" | headgate tokens check')
    return text


def _as_json(verdict: Verdict) -> str:
    principal = verdict.principal
    return document(
        {
            "steps": [dataclasses.asdict(each) for each in verdict.steps],
            "reason": verdict.reason or None,
            "principal": None if principal is None else principal.id,
            "roles": [] if principal is None else list(principal.grants.roles),
        },
        ok=principal is not None,
    )


def _show(verdict: Verdict) -> None:
    console = Console()
    for each in verdict.steps:
        console.print("[green]ok[/]    " if each.ok else "[red]failed[/]", end="")
        text = f"  {each.step:{_STEP_WIDTH}}  {each.seen}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    result = "accepted" if verdict.principal is not None else f"refused: {verdict.reason}"
    console.print(result, markup=False, highlight=False)
