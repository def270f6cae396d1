"""The data folder: made private, held by one, and clear words when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.cli.folder import claim
from headgate.errors import HeadgateError


def test_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "b") as folder:
        assert folder == tmp_path / "a" / "b"
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_relative_folder_is_given_back_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with claim(Path("data")) as folder:
        assert folder == tmp_path / "data"


def test_a_held_folder_is_refused_with_the_process_that_holds_it(tmp_path: Path) -> None:
    with (
        claim(tmp_path),
        pytest.raises(HeadgateError, match=rf"in use by .* \(process {os.getpid()}\)"),
        claim(tmp_path),
    ):
        pytest.fail("a second claim was granted")


def test_a_folder_is_free_again_after_the_block(tmp_path: Path) -> None:
    with claim(tmp_path):
        pass

    with claim(tmp_path) as folder:
        assert (folder / "up.lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_names_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with (
        pytest.raises(HeadgateError, match=r"file/data cannot be used: not a directory; .* --data"),
        claim(file / "data"),
    ):
        pytest.fail("a folder below a file was made")
