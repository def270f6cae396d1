"""Nothing is released that the long tests have not passed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.long_tests import RECORD, RUN, NoRecordError, clean_commit, figures, read, write
from tools.release import NotReleasedError, allowed

PASSED = '<testsuites><testsuite><testcase name="a"/><testcase name="b"/></testsuite></testsuites>'
SKIPPED = PASSED.replace('name="b"/>', 'name="b"><skipped/></testcase>')


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one commit, and the results of a run that has passed."""
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("build/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "First")
    (tmp_path / RUN).parent.mkdir()
    (tmp_path / RUN).write_text(PASSED)
    return tmp_path


def test_a_run_that_has_passed_is_recorded_and_lets_its_commit_be_released(root: Path) -> None:
    commit = clean_commit(root)
    record = write(root, commit, 61.6)
    assert read(root) == record
    assert (record.commit, record.seconds, record.passed) == (commit, 62, 2)
    assert allowed(root) == commit


def test_without_a_record_nothing_is_released(root: Path) -> None:
    assert read(root) is None
    with pytest.raises(NotReleasedError, match="no record"):
        allowed(root)


def test_the_record_of_another_commit_does_not_count(root: Path) -> None:
    write(root, clean_commit(root), 1)
    git(root, "commit", "--allow-empty", "-m", "Second")
    with pytest.raises(NotReleasedError, match="run: make test-long"):
        allowed(root)


@pytest.mark.parametrize("name", ["new.py", ".gitignore"])
def test_a_tree_with_changes_is_neither_recorded_nor_released(root: Path, name: str) -> None:
    commit = clean_commit(root)
    write(root, commit, 1)
    (root / name).write_text("build/\n# changed\n")
    with pytest.raises(NoRecordError, match=name):
        write(root, commit, 1)
    with pytest.raises(NotReleasedError, match=name):
        allowed(root)


def test_a_commit_made_while_the_tests_ran_is_not_recorded(root: Path) -> None:
    commit = clean_commit(root)
    git(root, "commit", "--allow-empty", "-m", "Second")
    with pytest.raises(NoRecordError, match="another commit"):
        write(root, commit, 1)


@pytest.mark.parametrize(
    ("run", "why"), [(SKIPPED, "1 of 2 tests"), ("<testsuites/>", "0 of 0 tests")]
)
def test_tests_that_were_skipped_have_not_passed(root: Path, run: str, why: str) -> None:
    (root / RUN).write_text(run)
    with pytest.raises(NoRecordError, match=why):
        write(root, clean_commit(root), 1)
    assert not (root / RECORD).exists()


def test_what_the_tests_have_printed_is_shown(root: Path) -> None:
    said = "<system-out>--- Captured Out ---\n3.17.2: 10 requests\n</system-out></testcase>"
    (root / RUN).write_text(PASSED.replace('name="b"/>', f'name="b">{said}'))
    assert figures(root) == "3.17.2: 10 requests\n"
