"""``headgate unpark``: let the requests that wait at the gates go on."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.command import AsJson
from headgate.cli.maintaining import (
    EXIT_UNDONE,
    AckTimeout,
    Patience,
    UndoneError,
    UpstreamApi,
    UpstreamName,
    Url,
    interruptible,
    wait,
)
from headgate.cli.output import document, tell


def unpark(
    upstream: UpstreamName = "default",
    force: Annotated[
        bool,
        typer.Option("--force", help="End also a park that a command holds, such as an upgrade."),
    ] = False,
    ack_timeout: AckTimeout = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Let the requests that wait go on.

    They do so gradually.  The exit code is 1 if a gate has not acknowledged it.  The key needs the
    grant administer:gate.
    """
    api = UpstreamApi.at(url, upstream)
    with interruptible() as interrupted:
        before = api.look()
        shown = api.ask("unpark", {"force": force})
        try:
            shown = wait(
                api,
                lambda each: bool(each["acknowledged"]),
                lambda _: False,
                Patience.of(ack_timeout, None),
                interrupted,
            )
        except UndoneError as error:
            line = f"upstream {upstream} is unparked, but not at every gate: {error}"
            tell(f"headgate: {line}")
            if as_json:
                print(document({"upstream": shown}, ok=False, errors=[line]))
            return EXIT_UNDONE
    if as_json:
        print(document({"upstream": shown}))
    elif before["park"] is None:
        print(f"upstream {upstream} was not parked")
    else:
        print(f"upstream {upstream} is unparked")
    return 0
