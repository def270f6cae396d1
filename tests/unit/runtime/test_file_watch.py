"""Files are found changed once they have been written, not while they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.runtime.file_watch import FileWatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_text("first")
    return made


def test_nothing_has_changed_at_first(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    assert [watch.changed() for _ in range(3)] == [False, False, False]


def test_what_was_read_before_counts_as_changed_once(file: Path) -> None:
    """It may have been written between that reading and this watch."""
    watch = FileWatch(file, taken=False)
    assert [watch.changed() for _ in range(3)] == [True, False, False]


def test_a_change_is_found_once_when_it_has_settled(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    file.write_text("half")
    assert not watch.changed()
    file.write_text("half and whole")
    assert not watch.changed()
    assert [watch.changed() for _ in range(3)] == [True, False, False]


def test_a_file_put_in_the_place_of_another_of_the_same_time_and_size(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    status = file.stat()
    other = file.with_name("other")
    other.write_text("other")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, file)
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_a_link_that_is_turned_to_another_folder(file: Path) -> None:
    """So Kubernetes changes the files of a ConfigMap or a Secret."""
    folder = file.parent
    (folder / "..1").mkdir()
    (folder / "..2").mkdir()
    (folder / "..1" / "headgate.toml").write_text("one")
    (folder / "..2" / "headgate.toml").write_text("two")
    (folder / "..data").symlink_to("..1")
    watched = folder / "headgate.toml"
    watched.symlink_to("..data/headgate.toml")
    watch = FileWatch(watched, taken=True)
    (folder / "..new").symlink_to("..2")
    os.replace(folder / "..new", folder / "..data")
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_a_file_that_goes_and_comes_back(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    file.unlink()
    assert [watch.changed() for _ in range(3)] == [False, True, False]
    file.write_text("back")
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_a_file_that_is_gone_for_a_moment_only(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    kept = file.rename(file.with_name("kept"))
    assert not watch.changed()
    kept.rename(file)
    assert [watch.changed() for _ in range(2)] == [False, False]


def test_files_that_belong_together_are_one_change(file: Path) -> None:
    second = file.with_name("second")
    watch = FileWatch(file, second, taken=True)
    file.write_text("renewed")
    assert not watch.changed()
    second.write_text("renewed too")
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_what_is_taken_is_not_found_again(file: Path) -> None:
    watch = FileWatch(file, taken=True)
    file.write_text("changed")
    watch.take()
    assert [watch.changed() for _ in range(2)] == [False, False]
