"""The commit that this Headgate was built from."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
_SHOWN: Final = 12  # digits


def build_commit(package: Path = _PACKAGE) -> str:
    """The first digits of the commit, with ``-dirty`` where the files differ; empty: not known.

    A wheel has it in a file; a checkout asks Git, if that is there.
    """
    try:
        whole = (package / "commit.txt").read_text(encoding="ascii").strip()
    except OSError:
        whole = _of_checkout(package.parents[1])
    commit, dash, mark = whole.partition("-")
    return f"{commit[:_SHOWN]}{dash}{mark}"


def _of_checkout(root: Path) -> str:
    if not (root / ".git").exists():
        return ""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - named here
        ["git", "-C", str(root), *arguments],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return done.stdout.strip()
