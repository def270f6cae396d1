"""The files of the project, without what the targets of the Makefile created."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

CREATED: Final = frozenset({"build", "dist", "__pycache__", "headgate-data", "mlruns"})
"""Folders that are left out where Git cannot say what belongs to the project."""


def source_files(
    root: Path, suffixes: tuple[str, ...], below: Sequence[str] = ()
) -> Iterator[Path]:
    """Each file with one of ``suffixes``, also one that is not committed yet, in order.

    Args:
        root: the folder of the project.
        suffixes: such as ``.py``.
        below: files and folders, relative to ``root``, that are wanted; all if it is empty.
    """
    names = _of_git(root, below)
    if names is None:  # an unpacked archive
        names = _of_folder(root, below)
    for name in sorted(names):
        if name.endswith(suffixes) and (root / name).is_file():
            yield root / name


def _of_git(root: Path, below: Sequence[str]) -> list[str] | None:
    if not (root / ".git").exists():
        return None
    listed = subprocess.run(  # noqa: S603 - git alone
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *below],  # noqa: S607
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name]


def _of_folder(root: Path, below: Sequence[str]) -> list[str]:
    wanted = [root / each for each in below] or [root]
    files = [each for start in wanted for each in ([start] if start.is_file() else walk(start))]
    return [str(file.relative_to(root)) for file in files]


def walk(folder: Path) -> Iterator[Path]:
    """Each file in ``folder`` and below, but for hidden and created folders."""
    for entry in folder.iterdir():
        if entry.is_dir():
            if not entry.name.startswith(".") and entry.name not in CREATED:
                yield from walk(entry)
        else:
            yield entry
