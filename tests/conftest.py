"""Fixtures with real servers.  Each lives for the whole session: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server without anything in front of it."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def gate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session's gate."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="session")
def key(gate_folder: Path) -> str:
    """A key that opens ``gate``."""
    return create_key(gate_folder / "data", "tests")


@pytest.fixture(scope="session")
def gate(gate_folder: Path, key: str, mlflow_server: MlflowServer) -> Iterator[Gate]:
    """A real gate in front of ``mlflow_server``."""
    with running_gate(gate_folder, mlflow_server.url) as running:
        yield running
