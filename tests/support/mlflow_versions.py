"""Environments with other versions of MLflow than the one the tests run beside.

Each is made from ``requirements/mlflow/VERSION.lock`` when first asked for, in ``.venv-mlflow``,
and made again when that file changes.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ROOT / "requirements/mlflow"
CURRENT: Final = importlib.metadata.version("mlflow")
TOOL: Final = "export-import"
"""MLflow's own migration tool, with the client that it runs on."""
BASIC_AUTH: Final = "basic-auth"
"""The current version with what its own authentication needs beside it."""


def python_with(version: str) -> Path:
    """The interpreter of an environment that has that version of MLflow.

    ``version`` may also be the name of another lock file, such as ``TOOL``.

    Raises:
        FileNotFoundError: there is no such lock file.
        subprocess.CalledProcessError: a package could not be installed.
    """
    if version == CURRENT:
        return Path(sys.executable)
    lock = LOCKS / f"{version}.lock"
    pinned = lock.read_bytes()
    folder = ROOT / ".venv-mlflow" / version
    made = folder / "made-from.lock"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "turn").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # test processes may ask side by side
        if not made.exists() or made.read_bytes() != pinned:
            venv.create(folder, symlinks=True)
            python = folder / "bin/python"
            uv = Path(sys.executable).parent / "uv"
            options = ("-q", "--python", python, "--require-hashes")
            subprocess.run([uv, "pip", "sync", *options, lock], check=True)
            made.write_bytes(pinned)
    return folder / "bin/python"
