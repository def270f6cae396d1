"""Snapshots that are kept: listed with what they are for, and removed only on request."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.cli import main
from headgate.deploy.mlflow.folder import LocalFolder
from headgate.deploy.mlflow.journal import Journal
from headgate.deploy.mlflow.kept import kept
from headgate.deploy.mlflow.phases import Kind, Step
from tests.unit.deploy.mlflow.test_folder import TAKEN, move_at


def snapshot(folder: Path, name: str, at: int) -> Path:
    """A file, as of a time."""
    path = folder / name
    path.write_bytes(b"x" * 2048)
    os.utime(path, (at, at))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five snapshots, of which the oldest two are needed; and what is none."""
    files = [snapshot(tmp_path, f"mlflow-3.14.0-{at}.sqlite", at) for at in (5, 4, 3, 2)]
    snapshot(tmp_path, "mlflow-3.14.0-6.dump.partial", 6)
    snapshot(tmp_path, "notes.txt", 7)
    last = replace(move_at(Step.UNPARK), snapshot=replace(TAKEN, place=str(files[2])))
    moving = replace(
        move_at(Step.PUT_BACK, Kind.ROLLBACK), put_back=replace(TAKEN, place=str(files[3]))
    )
    local = LocalFolder(tmp_path)
    local.write(Journal(replace(moving, snapshot=None), last).to_text())
    return tmp_path


def names(folder: Path) -> list[str]:
    """What is there."""
    return sorted(each.name for each in folder.glob("mlflow-*"))


def test_each_has_its_purpose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mlflow", "snapshots", "--state", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["file"][-9:], each["purpose"]) for each in found["kept"]] == [
        ("p.partial", "none"),
        ("-5.sqlite", "none"),
        ("-4.sqlite", "none"),
        ("-3.sqlite", "way_back"),
        ("-2.sqlite", "in_progress"),
    ]
    assert len(names(folder)) == 5


@pytest.mark.parametrize(
    ("keep", "stay"), [(0, "32"), (2, "32"), (3, "p32"), (4, "p532"), (9, "p5432")]
)
def test_what_a_rollback_needs_is_never_removed(
    folder: Path, keep: int, stay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others go, the oldest first."""
    assert main(["mlflow", "snapshots", "--state", str(folder), "--keep", str(keep)]) == 0
    left = {"p" if each.endswith("partial") else each[-8] for each in names(folder)}
    assert left == set(stay)
    assert f"{len(stay)} kept in" in capsys.readouterr().out
    assert (folder / "notes.txt").exists()


def test_nothing_is_removed_beside_another_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be writing a snapshot."""
    other = LocalFolder(folder)
    assert other.acquire("bob") is None
    assert main(["mlflow", "snapshots", "--state", str(folder), "--keep", "0"]) == 2
    assert "nothing was removed: bob is upgrading" in capsys.readouterr().err
    assert len(names(folder)) == 5
    other.release()


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert kept(tmp_path / "none", Journal()) == []
