"""Which files the checks look at, with Git and without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.source_files import source_files


@pytest.mark.parametrize("with_git", [True, False])
def test_created_and_hidden_files_are_left_out(tmp_path: Path, *, with_git: bool) -> None:
    for name in ("a.py", "docs/b.md", "docs/c.txt", "build/d.py", ".venv/lib/e.py", ".x/f.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if with_git:
        (tmp_path / ".gitignore").write_text("build/\n.venv/\n.x/\n")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    found = [str(file.relative_to(tmp_path)) for file in source_files(tmp_path, (".py", ".md"))]
    assert found == ["a.py", "docs/b.md"]
    (below,) = source_files(tmp_path, (".py", ".md"), ["docs"])
    assert below == tmp_path / "docs" / "b.md"
    (single,) = source_files(tmp_path, (".py",), ["a.py"])
    assert single == tmp_path / "a.py"
