"""``headgate read-only``: refuse what would change something, for a while, such as for a backup."""

from __future__ import annotations

import math
from typing import Annotated, Final

import typer

from headgate.cli.administering import span_of_at_most
from headgate.cli.command import AsJson, Command
from headgate.cli.maintaining import (
    AckTimeout,
    DrainTimeout,
    Ending,
    Patience,
    Sentence,
    Shown,
    UndoneError,
    UpstreamApi,
    UpstreamName,
    Url,
    end,
    interruptible,
    report_undone,
    wait,
)
from headgate.cli.output import document
from headgate.errors import HeadgateError
from headgate.maintenance.changes import MOST_READ_ONLY

USUAL_SECONDS = 3600.0
WRITABLE: Final = Ending(
    "read_only", "was not read-only", "is writable again", "is not read-only any more"
)

app = typer.Typer(
    help="Let an upstream be read-only for a while, such as for a backup.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(cls=Command)
def on(
    upstream: UpstreamName = "default",
    longest: Annotated[
        float | None,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=span_of_at_most(MOST_READ_ONLY, "1d"),
            help="When it ends by itself, at most 1d.  [1h]",
        ),
    ] = None,
    sentence: Sentence = "",
    ack_timeout: AckTimeout = None,
    drain_timeout: DrainTimeout = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Refuse requests that would change something.

    Those that only read go on.  Returns once every gate follows and no such request is under way
    any more.  Otherwise it is taken back, and the exit code is 1.  The key needs the grant
    administer:gate.
    """
    api = UpstreamApi.at(url, upstream)
    seconds = math.ceil(USUAL_SECONDS if longest is None else longest)
    with interruptible() as interrupted:
        before = api.look()["read_only"]
        asked = api.ask("read-only", {"on": True, "seconds": seconds, "sentence": sentence})
        own = asked["read_only"]["id"]
        try:
            shown = wait(
                api,
                _no_writes,
                lambda each: each["read_only"] is None or each["read_only"]["id"] != own,
                Patience.of(ack_timeout, drain_timeout),
                interrupted,
            )
        except UndoneError as error:
            return _undone(api, asked, before, str(error), as_json=as_json)
    if as_json:
        print(document({"upstream": shown}))
    else:
        ends_at = shown["read_only"]["ends_at"]
        print(f"upstream {upstream} is read-only until {ends_at}")
    return 0


@app.command(cls=Command)
def off(
    upstream: UpstreamName = "default",
    ack_timeout: AckTimeout = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Let requests change something again.

    The exit code is 1 if a gate has not acknowledged it.  The key needs the grant administer:gate.
    """
    api = UpstreamApi.at(url, upstream)
    return end(api, "read-only", {"on": False}, WRITABLE, ack_timeout, as_json=as_json)


def _no_writes(shown: Shown) -> bool:
    return bool(shown["acknowledged"]) and not any(each["writing"] for each in shown["gates"])


def _undone(
    api: UpstreamApi, asked: Shown, before: Shown | None, why: str, *, as_json: bool
) -> int:
    """Take it back, unless it was so ``before``: others count on that.  The exit code."""
    own = asked["read_only"]
    try:
        if before is None:
            api.ask("read-only", {"on": False, "id": own["id"]})
    except HeadgateError as error:
        line = (
            f"upstream {api.name} is to be writable again, and that failed ({error}); it is so by "
            f"itself at {own['ends_at']}; it was to be since {why}"
        )
    else:
        line = f"upstream {api.name} is not read-only: {why}"
        if before is not None:
            line = (
                f"upstream {api.name} was read-only before, and still is until {own['ends_at']}; "
                f"this command cannot say that nothing is being written: {why}"
            )
    return report_undone(line, as_json=as_json)
