"""Which processes stall, and that all of them go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.stalls import descendants, is_gate, main, parents

_NOTICES_STALLS = """
import time
before = time.monotonic()
longest, end = 0.0, before + 30
while longest < 0.1 and before < end:
    now = time.monotonic()
    longest, before = max(longest, now - before), now
    time.sleep(0.001)
raise SystemExit(0 if longest >= 0.1 else 1)
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/bin/python", "-m", "headgate", "serve"], True),
        (["/bin/python", "-m", "headgate.decide.examiner_process"], True),
        (["/opt/venv/bin/headgate", "up"], True),
        (["/src/headgate/.venv/bin/python", "-m", "pytest", "tests"], False),
        (["/src/headgate/.venv/bin/mlflow", "server"], False),
        (["/usr/lib/postgresql/15/bin/postgres", "-D", "/data/headgate-postgres-x"], False),
        ([], False),
    ],
)
def test_processes_of_gates_stall_and_no_others(command: list[str], expected: bool) -> None:
    assert is_gate(command) is expected


def test_descendants_are_children_and_theirs() -> None:
    assert descendants(1, {1: 0, 2: 1, 3: 2, 4: 0, 5: 4}) == [2, 3]


def test_the_parents_are_those_of_the_system() -> None:
    assert parents()[os.getpid()] == os.getppid()


def test_a_gate_stalls_and_goes_on(tmp_path: Path) -> None:
    """The program below a test ends as it pleases, and has noticed that it was stopped."""
    program = tmp_path / "headgate_double.py"
    program.write_text(_NOTICES_STALLS, encoding="utf-8")
    test = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    log = tmp_path / "stalls"
    command = [sys.executable, "-c", test, sys.executable, str(program)]
    assert main(["--shortest", "0.15", "--longest", "0.2", "--log", str(log), "--", *command]) == 0
    assert "0.1" in log.read_text(encoding="utf-8")
