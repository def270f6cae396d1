"""A compiled gate between real clients and servers."""

from __future__ import annotations

from pathlib import Path

import pytest

import headgate
from tests.support.compiled_run import PATIENCE, SOCKETS, assert_tests_pass, run
from tests.support.gate import create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tools import compiled

pytestmark = [
    pytest.mark.timeout(2 * PATIENCE),
    pytest.mark.skipif(headgate.is_compiled(), reason="is running on one already"),
]


def test_the_hot_path_is_compiled(compiled_gate: Path) -> None:
    done = run(compiled_gate, "-m", "headgate", "--version")
    assert done.stdout.strip().endswith("(compiled)")
    assert not list(compiled.ROOT.glob("src/**/*.so"))


def test_the_same_tests_pass_on_sockets(compiled_gate: Path) -> None:
    assert_tests_pass(compiled_gate, *SOCKETS)


def test_the_real_client_goes_through(
    compiled_gate: Path, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "data", "verifier")
    environment = {"PYTHONPATH": str(compiled_gate)}
    with running_gate(tmp_path, mlflow_server.url, environment) as gate:
        command = ("-m", "headgate", "verify", "--url", gate.url)
        done = run(compiled_gate, *command, MLFLOW_TRACKING_TOKEN=key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps passed" in done.stdout
