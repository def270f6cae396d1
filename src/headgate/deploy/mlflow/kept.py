"""The snapshots that are kept: what each is for, and which may be removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow.journal import Journal, JournalError
from headgate.deploy.mlflow.records import Snapshot

ENDINGS: Final = (".dump", ".sqlite", ".partial")
"""Of what ``Database.snapshot`` writes; the last is of one that was not ended."""


class Purpose(StrEnum):
    """What a snapshot is for."""

    WAY_BACK = "the way back of the last upgrade"
    IN_PROGRESS = "needed by what is in progress"
    NONE = "no command needs it"


@dataclass(frozen=True, slots=True)
class Kept:
    """One file.

    Attributes:
        at: when it was written, in seconds since the epoch.
        size: in bytes.
    """

    path: Path
    at: float
    size: int
    purpose: Purpose

    @property
    def removable(self) -> bool:
        """Whether no rollback needs it."""
        return self.purpose is Purpose.NONE


def kept(folder: Path, journal: Journal) -> Sequence[Kept]:
    """The snapshots in the folder of a journal, the newest first.

    Raises:
        JournalError: the folder cannot be read.
    """
    needed = dict(_needed(journal))
    found = []
    try:
        for path in folder.glob("mlflow-*"):
            if path.suffix in ENDINGS and not path.is_symlink() and path.is_file():
                stat = path.stat()
                purpose = needed.get(path, Purpose.NONE)
                found.append(Kept(path, stat.st_mtime, stat.st_size, purpose))
    except OSError as error:
        raise JournalError(f"the folder {folder} cannot be read: {error.strerror}") from None
    return sorted(found, key=lambda each: (-each.at, each.path))


def _needed(journal: Journal) -> Iterator[tuple[Path, Purpose]]:
    if journal.last is not None and journal.last.snapshot is not None:
        yield Path(journal.last.snapshot.place), Purpose.WAY_BACK
    move = journal.in_progress
    taken: Sequence[Snapshot | None] = () if move is None else (move.snapshot, move.put_back)
    for each in taken:
        if each is not None:
            yield Path(each.place), Purpose.IN_PROGRESS


def remove(found: Sequence[Kept], keep: int) -> Sequence[Kept]:
    """Remove all but the newest, and never one that a rollback needs; those that are gone.

    Args:
        found: what ``kept`` has found.
        keep: how many snapshots are to stay, with those that are needed among them.

    Raises:
        JournalError: one cannot be removed; those before it are gone.
    """
    allowed = max(0, keep - sum(not each.removable for each in found))
    gone = []
    for each in [each for each in found if each.removable][allowed:]:
        try:
            each.path.unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"{each.path} cannot be removed: {error.strerror}") from None
        gone.append(each)
    return gone
