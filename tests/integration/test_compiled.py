"""The compiled build does what the sources do: the same tests pass on it.

What compiled code may get wrong is what Python leaves open: types that are not what they say, and
the identity of values.  So everything that runs within the gate's process is tested again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate
from tests.support.gate import create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import clean_environment
from tools import compiled

PATIENCE = 600.0
"""Seconds; the build takes one minute, and the tests on it half a minute."""
pytestmark = [
    pytest.mark.timeout(PATIENCE),
    pytest.mark.skipif(headgate.is_compiled(), reason="is running on one already"),
]


@pytest.fixture(scope="module")
def build() -> Iterator[Path]:
    """The folder of a compiled build."""
    try:
        yield compiled.build()
    except compiled.CannotCompileError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


def run(build: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``build`` in place of the sources."""
    return subprocess.run(
        [sys.executable, *command],
        env=clean_environment() | {"PYTHONPATH": str(build), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_the_hot_path_is_compiled(build: Path) -> None:
    done = run(build, "-m", "headgate", "--version")
    assert done.stdout.strip().endswith("(compiled)")
    assert not list(compiled.ROOT.glob("src/**/*.so"))


@pytest.mark.parametrize(
    "tests",
    [
        ("tests/unit", "tests/fuzz"),
        ("tests/integration/test_smuggling.py", "tests/integration/test_semantics.py"),
    ],
    ids=["within one process", "on sockets"],
)
def test_the_same_tests_pass(build: Path, tests: tuple[str, ...]) -> None:
    done = run(build, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-2000:]}"
    assert " passed" in done.stdout


def test_the_real_client_goes_through(
    build: Path, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "data", "verifier")
    with running_gate(tmp_path, mlflow_server.url, {"PYTHONPATH": str(build)}) as gate:
        done = run(build, "-m", "headgate", "verify", "--url", gate.url, MLFLOW_TRACKING_TOKEN=key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps passed" in done.stdout
