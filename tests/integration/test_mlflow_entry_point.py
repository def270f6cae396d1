"""The entry point of MLflow's tasks: after SIGTERM it serves on, and then all of it ends."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.waiting import seconds_until
from tools.terraform.module import TERRAFORM

PROGRAM: Final = (TERRAFORM / "modules/mlflow/files/serve_until_unused.py").read_text("utf-8")
# As `mlflow server` does: a parent that dies of SIGTERM, and the server as its child, which ends
# the request in progress (a file that the test removes) before it ends itself.
SERVER: Final = """
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
child = '''
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
(folder / "serving").touch()
while not stopped or (folder / "request").exists():
    time.sleep(0.02)
(folder / "ended").touch()
'''
sys.exit(subprocess.call([sys.executable, "-c", child, str(folder)]))
"""


@contextlib.contextmanager
def running(seconds: float, *command: str) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", PROGRAM, str(seconds), *command]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_server_serves_on_and_ends_with_its_last_request(tmp_path: Path) -> None:
    (tmp_path / "request").touch()
    with running(1.5, sys.executable, "-c", SERVER, str(tmp_path)) as process:
        seconds_until((tmp_path / "serving").exists, 30)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "serving on for 1.5 s" in process.stderr.readline()
        assert process.stderr.readline() == "stopping the server\n"
        assert time.monotonic() - begun >= 1.5
        assert process.poll() is None  # a request is in progress, though the parent is gone
        (tmp_path / "request").unlink()
        assert process.wait(30) == 0
        assert (tmp_path / "ended").exists()


def test_sigint_skips_the_wait(tmp_path: Path) -> None:
    with running(600, sys.executable, "-c", SERVER, str(tmp_path)) as process:
        seconds_until((tmp_path / "serving").exists, 30)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("code", "expected"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_a_server_that_fails_by_itself_ends_the_task_with_its_code(
    code: str, expected: int
) -> None:
    with running(600, sys.executable, "-c", code) as process:
        assert process.wait(30) == expected
