"""Fetches the bindings that have the schema of a newer AWS provider, by their hash.

``python -m tools.terraform.bindings FOLDER`` puts the wheel (59 MB) into the folder, unless it is
there; exit code 1 if the package index has not got it or cannot be reached.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.terraform.module import ROOT

LOCK: Final = ROOT / "requirements" / "terraform" / "schema.lock"


def wheel(folder: Path) -> Path | None:
    """The wheel in ``folder``, fetched if it is not there; None if it cannot be had."""
    known = sorted(folder.glob("*.whl"))
    if known:
        return known[-1]
    folder.mkdir(parents=True, exist_ok=True)
    command = (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(LOCK)),
        *("--dest", str(folder)),
    )
    done = subprocess.run(  # noqa: S603 - its own arguments, and no shell
        command, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.stderr.write(f"bindings: {done.stderr.strip()}\n")
    return next(iter(sorted(folder.glob("*.whl"))), None)


def main(arguments: Sequence[str]) -> int:
    """Fetch the wheel; the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tools.terraform.bindings FOLDER\n")
        return 2
    return 0 if wheel(Path(arguments[0])) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
