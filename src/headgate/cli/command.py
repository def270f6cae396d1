"""What each command has in common: its usage line, and the option for programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

JSON = "--json"
AsJson = Annotated[bool, typer.Option(JSON, help="One JSON document, for programs.")]


class Command(TyperCommand):
    """A command whose usage names its arguments as its help does, without braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
