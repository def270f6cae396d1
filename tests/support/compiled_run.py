"""Python run with a compiled build in place of the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import clean_environment
from tools import compiled

PATIENCE: Final = 600.0
"""Seconds that tests on a build may take on a busy machine; it is half a minute on a quiet one."""
SOCKETS: Final = ("tests/integration/test_smuggling.py", "tests/integration/test_semantics.py")
"""What stands for all tests of a gate that is a process of its own."""


def compiled_build(level: int) -> Path:
    """The folder of a build; where none can be made, what needs it is skipped, in CI it fails."""
    try:
        return compiled.build(level)
    except compiled.CannotCompileError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


def run(
    build: Path, *command: str, patience: float = PATIENCE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with ``build`` in place of the sources."""
    return subprocess.run(
        [sys.executable, *command],
        env=clean_environment() | {"PYTHONPATH": str(build), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=patience,
    )


def assert_tests_pass(build: Path, *tests: str | Path, patience: float = PATIENCE) -> None:
    """Run tests on a build; they pass."""
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests))
    done = run(build, *command, patience=patience)
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-2000:]}"
    assert " passed" in done.stdout
