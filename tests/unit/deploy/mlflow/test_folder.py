"""The folder of the journal: one command at a time, and never half a journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.deploy.mlflow.folder import LocalFolder
from headgate.deploy.mlflow.journal import Journal, JournalError, Measured, Move, read
from headgate.deploy.mlflow.phases import BACK, FORWARD, Kind, Step
from headgate.deploy.mlflow.records import Kind as DatabaseKind
from headgate.deploy.mlflow.records import Snapshot
from tests.unit.deploy.mlflow.memory_world import NEW, OLD

TAKEN = Snapshot(DatabaseKind.SQLITE, "/state/a.sqlite", "b", 1.5, 100, "digest", tables=("runs",))


def move_at(step: Step, kind: Kind = Kind.UPGRADE) -> Move:
    """An entry of the journal."""
    put_back = TAKEN if kind is Kind.ROLLBACK else None
    return Move(
        *("id", kind, "host", "database", "gate", "default", OLD, NEW, step, "alice", 1.0),
        put_back=put_back,
        snapshot=TAKEN,
        park="p",
        credential="k",
        cause="why",
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_entry_is_read_as_it_was_written(tmp_path: Path, kind: Kind) -> None:
    """Through the file, which only its owner may read."""
    folder = LocalFolder(tmp_path / "state")
    assert folder.acquire("alice") is None
    measured = Measured(1.0, 2, 3.0, 4.0, 5.0)
    for step in (*FORWARD[kind], *BACK):
        journal = Journal(move_at(step, kind), move_at(Step.UNPARK), (measured,))
        folder.write(journal.to_text())
        assert read(folder.read(), "here") == journal
    file = folder.path() / "journal.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.path().stat().st_mode & 0o777 == 0o700
    folder.release()


def test_one_command_holds_the_folder(tmp_path: Path) -> None:
    """The other one learns who; the lock is free once that has ended."""
    first, second = LocalFolder(tmp_path), LocalFolder(tmp_path)
    assert first.acquire("alice@vm (process 7)") is None
    assert second.acquire("bob") == "alice@vm (process 7)"
    first.release()
    assert second.acquire("bob") is None
    second.release()


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A file where the folder is to be, and a journal that is a folder."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="choose another with --state"):
        LocalFolder(tmp_path / "file").acquire("alice")
    (tmp_path / "journal.json").mkdir()
    with pytest.raises(JournalError, match="cannot be read"):
        LocalFolder(tmp_path).read()
    with pytest.raises(JournalError, match="cannot be written"):
        LocalFolder(tmp_path).write("{}")


def test_a_step_of_the_other_kind_is_no_journal() -> None:
    """An upgrade does not put back, and a rollback does not migrate."""
    wrong = Journal(move_at(Step.PUT_BACK)).to_text()
    with pytest.raises(JournalError, match="no upgrade has a step 'put back'"):
        read(wrong, "here")
