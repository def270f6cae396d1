"""The options about logs of the commands that run a gate."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.config import LogFormat

LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Write logs for programs or for people.  [json]"),
]
