"""What commands share: the usage line, and the options ``--json`` and ``--config``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

JSON = "--json"
AsJson = Annotated[bool, typer.Option(JSON, help="Print one JSON document, for programs.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="HEADGATE_CONFIG",
        metavar="FILE",
        help="Configuration file (TOML).",
    ),
]


class Command(TyperCommand):
    """A command whose usage line shows arguments without braces, as the help does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The parts of the usage line after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
