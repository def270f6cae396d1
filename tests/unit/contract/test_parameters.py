"""A path gives up the objects that its pattern names."""

from __future__ import annotations

import re

import pytest

from headgate.contract import classify, path_parameters, table
from headgate.model import Place


@pytest.mark.parametrize(
    ("method", "path", "parameters"),
    [
        ("GET", "/api/2.0/mlflow/logged-models/m-1", {"model_id": "m-1"}),
        ("GET", "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files", {"model_id": "m-1"}),
        (
            "DELETE",
            "/api/2.0/mlflow/logged-models/m-1/tags/a%20%C3%BC",
            {"model_id": "m-1", "tag_key": "a ü"},
        ),
        (
            "PUT",
            "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a%20b/c",
            {"artifact_path": "1/r/artifacts/a b/c"},
        ),
        ("GET", "/static-files/a/b.js", {"path": "a/b.js"}),
        ("GET", "/api/2.0/mlflow/runs/get", {}),
        ("GET", "/api/3.0/mlflow/mcp-servers/a/b/versions/1", {}),
        ("GET", "/", {}),
    ],
)
def test_parameters(method: str, path: str, parameters: dict[str, str]) -> None:
    operation = classify(method.encode(), path.encode())
    assert operation is not None
    assert path_parameters(operation, path.encode()) == parameters


def test_every_object_of_a_path_is_found() -> None:
    for row in table().rows:
        named = [field.name for field in row.operation.objects if field.place is Place.PATH]
        for pattern in row.paths:
            path = re.sub(r"{(\w+)(?::path)?}", r"of-\1", pattern)
            parameters = path_parameters(row.operation, path.encode())
            assert {name: parameters.get(name) for name in named} == {
                name: f"of-{name}" for name in named
            }
