"""Fixtures of the tests against real servers."""

from __future__ import annotations

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.world import World, create_world


@pytest.fixture(scope="session")
def world(mlflow_server: MlflowServer) -> World:
    """One thing of each kind in ``mlflow_server``, so that reads have something to return."""
    return create_world(mlflow_server)
