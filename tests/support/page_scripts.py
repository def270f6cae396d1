"""Scripts that pages show, and a shell to run them in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.messages_of_pages import blocks
from tests.support.processes import clean_environment

DOCS: Final = Path(__file__).parents[2] / "docs"
SECONDS: Final = 60.0


def code(page: str, language: str, heading: str) -> list[str]:
    """The blocks of a page in one language, below one heading."""
    found = blocks((DOCS / page).read_text("utf-8"))
    return [each.text for each in found if (each.heading, each.language) == (heading, language)]


def run(script: str, folder: Path, *program: str, **environment: str) -> str:
    """What a script prints on standard output.

    Raises:
        AssertionError: it fails.
    """
    done = finished(script, folder, *program, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finished(
    script: str, folder: Path, *program: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script, by ``bash`` unless another program is named, with the commands of Headgate."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*(program or ("bash", "-euc")), script],
        env=clean_environment() | {"PATH": programs} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
