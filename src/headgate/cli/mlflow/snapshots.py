"""``headgate mlflow snapshots``."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from headgate.cli.command import AsJson, Command
from headgate.cli.mlflow.options import Place
from headgate.cli.option_records import takes
from headgate.cli.output import document
from headgate.deploy.mlflow.folder import LocalFolder
from headgate.deploy.mlflow.journal import read
from headgate.deploy.mlflow.kept import Kept, kept, remove
from headgate.deploy.mlflow.words import size_in_words, utc
from headgate.errors import HeadgateError

commands = typer.Typer()


@commands.command("snapshots", cls=Command)
@takes(Place)
def snapshots(
    place: Place,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=0,
            metavar="N",
            help="Remove all but the newest N; one that a rollback needs always stays.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the snapshots that upgrades and rollbacks have left.

    Nothing is removed without --keep.
    """
    folder = place.folder
    found, gone = _looked(folder) if keep is None else _removed(folder, keep)
    if as_json:
        fields = {
            "folder": str(folder.path()),
            "kept": [_document(each) for each in found],
            "removed": [_document(each) for each in gone],
        }
        print(document(fields))
        return
    for title, files in (("removed", gone), ("kept", found)):
        for each in files:
            print(
                f"{title:<8} {size_in_words(each.size):>10}  {utc(each.at)}  {each.path}  "
                f"({each.purpose.value})"
            )
    print(f"{len(found)} kept in {folder.path()}, {size_in_words(sum(x.size for x in found))}")


def _looked(folder: LocalFolder) -> tuple[Sequence[Kept], Sequence[Kept]]:
    return kept(folder.path(), read(folder.read(), str(folder.path()))), ()


def _removed(folder: LocalFolder, keep: int) -> tuple[Sequence[Kept], Sequence[Kept]]:
    """While no other command is at it, which may be writing a snapshot."""
    who = f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()} (process {os.getpid()})"
    others = folder.acquire(who)
    if others is not None:
        raise HeadgateError(f"nothing was removed: {others} is upgrading or rolling back MLflow")
    try:
        found, _ = _looked(folder)
        gone = remove(found, keep)
    finally:
        folder.release()
    return [each for each in found if each not in gone], gone


def _document(each: Kept) -> Mapping[str, Any]:
    return {
        "file": str(each.path),
        "size": each.size,
        "at": utc(each.at),
        "purpose": each.purpose.name.lower(),
    }
