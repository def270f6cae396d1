"""What the gate lets pass while an upstream is read-only changes nothing at a real MLflow.

Every operation that the contract calls a read is sent to MLflow, with ids of objects that exist;
the database and the folder of artifacts are compared before and after.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from headgate.contract import table
from headgate.model import Operation
from tests.support.mlflow_server import MlflowServer, running_mlflow

SKIPPED = {"assistant", "auth-admin", "jobs", "ui", "gate"}
"""Families that this server has not switched on, its pages, and the gate's own."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowServer, Path]]:
    folder = tmp_path_factory.mktemp("read-only")
    with running_mlflow(folder) as server:
        yield server, folder


@pytest.fixture(scope="module")
def ids(server: tuple[MlflowServer, Path]) -> dict[str, str]:
    """Objects of several kinds, by the names that routes have for their ids."""
    call = server[0].call
    experiment = call("POST", "2.0/mlflow/experiments/create", {"name": "reads"})["experiment_id"]
    run = call("POST", "2.0/mlflow/runs/create", {"experiment_id": experiment})["run"]["info"]
    metric = {"run_id": run["run_id"], "key": "loss", "value": 1.0, "timestamp": 1}
    call("POST", "2.0/mlflow/runs/log-metric", metric)
    call("POST", "2.0/mlflow/registered-models/create", {"name": "m"})
    model = call("POST", "2.0/mlflow/logged-models", {"experiment_id": experiment, "name": "lm"})
    return {
        "experiment_id": experiment,
        "experiment_ids": experiment,
        "experiment_name": "reads",
        "run_id": run["run_id"],
        "run_ids": run["run_id"],
        "run_uuid": run["run_id"],
        "metric_key": "loss",
        "name": "m",
        "version": "1",
        "alias": "champion",
        "model_id": model["model"]["info"]["model_id"],
        "trace_id": "tr-00000000000000000000000000000000",
        "request_id": "tr-00000000000000000000000000000000",
        "max_results": "10",
    }


def contents(folder: Path) -> tuple[list[str], list[str]]:
    """The whole database as text, and the names and sizes of all artifacts."""
    database = sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True)
    with contextlib.closing(database):
        dump = list(database.iterdump())
    artifacts = folder / "artifacts"
    files = sorted(artifacts.rglob("*")) if artifacts.exists() else []
    return dump, [f"{each} {each.stat().st_size}" for each in files if each.is_file()]


def reads() -> list[tuple[str, str, Operation]]:
    """Method, path and operation of everything that is served while an upstream is read-only."""
    found: dict[tuple[str, str], tuple[str, str, Operation]] = {}
    for row in table().rows:
        operation = row.operation
        if operation.writes or operation.family in SKIPPED or operation.static:
            continue
        method = row.method
        found.setdefault((operation.name, method), (method, row.paths[0], operation))
    return list(found.values())


def target(method: str, path: str, ids: dict[str, str]) -> tuple[str, bytes]:
    """A request for a path, with everything that any read asks for."""
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    path = re.sub(r"\{[^}]*\}", "none", path)
    if method == "GET":
        return f"{path}?{urlencode(ids)}", b""
    message = {**ids, "experiment_ids": [ids["experiment_id"]], "run_ids": [ids["run_id"]]}
    return path, json.dumps({**message, "max_results": 10}).encode()


def test_no_read_changes_the_database_or_an_artifact(
    server: tuple[MlflowServer, Path], ids: dict[str, str]
) -> None:
    mlflow, folder = server
    before = contents(folder)
    statuses: dict[str, int] = {}
    writers = []
    for method, path, operation in reads():
        where, body = target(method, path, ids)
        try:
            response = mlflow.ask(method, where, "Content-Type: application/json", body=body)
            statuses[f"{method} {operation.name}"] = response.status
        except TimeoutError:  # a busy machine: what it may have written is seen all the same
            statuses[f"{method} {operation.name}"] = 0
        after = contents(folder)
        if after != before:
            writers.append(f"{method} {operation.name}")
            before = after
    assert writers == [], "they are to be marked `stores` in rules.txt"
    good = [name for name, status in statuses.items() if status == 200]
    assert len(statuses) > 60
    assert len(good) > 25, f"most requests were none that MLflow executes: {statuses}"


def test_a_write_would_be_noticed(server: tuple[MlflowServer, Path], ids: dict[str, str]) -> None:
    mlflow, folder = server
    before = contents(folder)
    tag = {"experiment_id": ids["experiment_id"], "key": "k", "value": "v"}
    mlflow.call("POST", "2.0/mlflow/experiments/set-experiment-tag", tag)
    assert contents(folder) != before
