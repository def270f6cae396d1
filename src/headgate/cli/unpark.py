"""``headgate unpark``: let the requests that wait at the gates go on."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from headgate.cli.command import AsJson
from headgate.cli.maintaining import AckTimeout, Ending, UpstreamApi, UpstreamName, Url, end

UNPARKED: Final = Ending("park", "was not parked", "is unparked", "is unparked")


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
    return end(api, "unpark", {"force": force}, UNPARKED, ack_timeout, as_json=as_json)
