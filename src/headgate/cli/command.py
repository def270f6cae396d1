"""The base of all commands: the usage line, and the option ``--json``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

JSON = "--json"
AsJson = Annotated[bool, typer.Option(JSON, help="Print one JSON document, for programs.")]


class Command(TyperCommand):
    """A command whose usage line shows arguments without braces, as the help does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The parts of the usage line after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
