"""Fixtures of the tests against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud_map import CloudMap, running_cloud_map
from tests.support.compiled_run import compiled_build
from tests.support.mlflow_server import MlflowServer
from tests.support.world import World, create_world


@pytest.fixture(scope="session")
def world(mlflow_server: MlflowServer) -> World:
    """One thing of each kind in ``mlflow_server``, so that reads have something to return."""
    return create_world(mlflow_server)


@pytest.fixture(scope="session")
def compiled_gate() -> Path:
    """The folder of a compiled build, made for tests alone: not optimised, and with assertions."""
    return compiled_build(0)


@pytest.fixture(scope="module")
def _cloud_map() -> Iterator[CloudMap]:
    with running_cloud_map() as running:
        yield running


@pytest.fixture
def cloud_map(_cloud_map: CloudMap, monkeypatch: pytest.MonkeyPatch) -> CloudMap:
    """A stand-in for AWS that this process asks."""
    for name, value in _cloud_map.environment.items():
        monkeypatch.setenv(name, value)
    return _cloud_map
