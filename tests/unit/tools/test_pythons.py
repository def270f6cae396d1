"""The choice of interpreters, and what is said of those that are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import pythons

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_an_interpreter_is_found_where_pyenv_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / ".pyenv" / "versions" / f"{HERE}.0" / "bin"
    folder.mkdir(parents=True)
    own = folder / f"python{HERE}"
    own.symlink_to(sys.executable)
    assert pythons.interpreter(HERE, tmp_path) == own


def test_a_name_that_starts_nothing_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="ascii")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.interpreter("3.99", tmp_path) is None


def test_a_missing_version_is_skipped_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where none is here, nothing was tested, which is no success."""
    monkeypatch.setattr(pythons, "interpreter", lambda _version: None)
    assert pythons.main([]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"Python {version}: SKIPPED, no interpreter here; try: uv python install {version}"
        for version in pythons.VERSIONS
    ]


@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_failing_tests_decide_the_exit_code(
    good: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythons, "VERSIONS", (HERE,))
    monkeypatch.setattr(pythons, "interpreter", lambda _version: Path(sys.executable))
    monkeypatch.setattr(pythons, "_environment", lambda _version, python: python)
    assert pythons.main(["--version"] if good else ["--no-such-option"]) == code
