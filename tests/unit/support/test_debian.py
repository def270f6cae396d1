"""Tests that need a program from Debian never vanish unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.debian import DebianPackage, require

MISSING = DebianPackage("no-such-package", Path("/nowhere/program"), "tests/none")


def test_without_its_program_a_test_is_skipped_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-package"):
        require(MISSING)


def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install no-such-package"):
        require(MISSING)


def test_with_its_program_it_runs(tmp_path: Path) -> None:
    assert require(DebianPackage("there", tmp_path, "tests/none")) == tmp_path
