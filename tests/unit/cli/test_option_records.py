"""Options that are the fields of a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from headgate.cli.command import AsJson
from headgate.cli.option_records import takes


@dataclass(frozen=True)
class Where:
    """Of a test."""

    host: Annotated[str, typer.Option(help="Which.")] = "here"
    port: Annotated[int | None, typer.Option("--at", help="Where.")] = None


def app() -> tuple[typer.Typer, list[tuple[object, ...]]]:
    """A command and what it was called with."""
    seen: list[tuple[object, ...]] = []
    found = typer.Typer()

    @found.command()
    @takes(Where)
    def show(
        where: Where, to: Annotated[str, typer.Option("--to")], as_json: AsJson = False
    ) -> None:
        """Show it."""
        seen.append((where, to, as_json))

    return found, seen


def test_a_command_gets_the_record() -> None:
    found, seen = app()
    done = CliRunner().invoke(found, ["--to", "x", "--at", "7"])
    assert (done.exit_code, seen) == (0, [(Where("here", 7), "x", False)])
    assert CliRunner().invoke(found, ["--to", "x", "--at", "y"]).exit_code == 2


def test_its_options_are_between_the_commands_own() -> None:
    found, _ = app()
    text = CliRunner().invoke(found, ["--help"]).output
    places = [text.index(each) for each in ("Show it.", "--to", "--host", "--at", "--json")]
    assert places == sorted(places)
