"""The commit in ``headgate --version``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from headgate.cli.build_commit import build_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package in a checkout."""
    folder = tmp_path / "src" / "headgate"
    folder.mkdir(parents=True)
    return folder


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_wheel_has_it_in_a_file(package: Path) -> None:
    (package / "commit.txt").write_text(f"{COMMIT}\n")
    assert build_commit(package) == "0123456789ab"
    (package / "commit.txt").write_text(f"{COMMIT}-dirty\n")
    assert build_commit(package) == "0123456789ab-dirty"


def test_a_checkout_asks_git(package: Path, tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "First")
    commit = git(tmp_path, "rev-parse", "HEAD")[:12]
    assert build_commit(package) == commit
    (package / "new.py").touch()
    assert build_commit(package) == f"{commit}-dirty"


def test_it_may_not_be_known(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build_commit(package) == ""
    git(tmp_path, "init")
    assert build_commit(package) == ""  # no commit yet
    monkeypatch.setenv("PATH", "")
    assert build_commit(package) == ""
