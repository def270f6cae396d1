"""``headgate mlflow status``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.mlflow.options import Place
from headgate.cli.mlflow.reports import last_report
from headgate.cli.option_records import takes
from headgate.cli.output import document
from headgate.deploy.mlflow.beginning import in_words
from headgate.deploy.mlflow.journal import Journal, Move, read
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import ExitCode

commands = typer.Typer()


@commands.command("status", cls=Command)
@takes(Place)
def status(place: Place, as_json: AsJson = False) -> None:
    """Show what is in progress, and what can be returned to.

    Nothing is asked or changed.  The exit code is 5 if something is in progress.
    """
    folder = place.folder
    journal = read(folder.read(), str(folder.path()))
    if as_json:
        fields = {**_document(journal, folder.path()), "last_report": last_report(folder)}
        print(document(fields, ok=journal.in_progress is None))
    else:
        for line in _lines(journal, folder.path()):
            print(line)
        print(f"last report  {last_report(folder) or 'none'}")
    if journal.in_progress is not None:
        raise typer.Exit(int(ExitCode.BUSY))


def _lines(journal: Journal, path: Path) -> Iterator[str]:
    yield f"journal      {path}"
    move = journal.in_progress
    if move is None:
        yield "in progress  nothing"
    else:
        yield f"in progress  {in_words(move)}"
        if move.cause:
            yield f"             it goes back: {move.cause}"
        yield "             go on: headgate mlflow upgrade --continue"
        yield "             go back: headgate mlflow rollback"
    last = journal.last
    if last is None or last.snapshot is None:
        yield "way back     none: no upgrade has ended here, or it was rolled back"
    else:
        yield (
            f"way back     to MLflow {last.source.number} and its database of "
            f"{utc(last.snapshot.at)}: {last.snapshot.place}"
        )


def _document(journal: Journal, path: Path) -> Mapping[str, Any]:
    return {
        "journal": str(path),
        "in_progress": None if journal.in_progress is None else _move(journal.in_progress),
        "last": None if journal.last is None else _move(journal.last),
    }


def _move(move: Move) -> Mapping[str, Any]:
    taken = move.snapshot
    return {
        "kind": move.kind.value,
        "from": move.source.number,
        "to": move.target.number,
        "step": move.step.value,
        "back": move.back,
        "cause": move.cause,
        "operator": move.operator,
        "started_at": utc(move.started_at),
        "snapshot": None if taken is None else {"place": taken.place, "at": utc(taken.at)},
    }
