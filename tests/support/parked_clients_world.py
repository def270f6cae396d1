"""What the clients of a parked upstream made, as MLflow itself has it afterwards."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.support.mlflow_server import MlflowServer

PAGE: Final = 500
# What else there is under the name of a client that only read says nothing.
MADE: Final = ("create run", "log batch", "log metric", "upload", "big upload", "register model")
TRACED: Final = ("trace", "plain OTLP")


@dataclass(frozen=True)
class Target:
    """What all clients work on.

    Attributes:
        experiment: where runs are made.
        run: a run with the artifact ``seed.bin``.
        digest: SHA-256 of that artifact.
    """

    experiment: str
    run: str
    digest: str


def make_target(server: MlflowServer, name: str, size: int = 100_000) -> Target:
    """Make an experiment with a run and an artifact, straight in MLflow."""
    experiment = server.call("POST", "2.0/mlflow/experiments/create", {"name": name})
    number = experiment["experiment_id"]
    run = server.call("POST", "2.0/mlflow/runs/create", {"experiment_id": number})
    run_id = run["run"]["info"]["run_id"]
    content = os.urandom(size)
    path = f"/api/2.0/mlflow-artifacts/artifacts/{number}/{run_id}/artifacts/seed.bin"
    assert server.ask("PUT", path, body=content).status == 200
    return Target(number, run_id, hashlib.sha256(content).hexdigest())


def made(server: MlflowServer, target: Target) -> dict[str, Counter[str]]:
    """How often MLflow has what each client was to make, by the kind and the client's name."""
    run = server.call("GET", f"2.0/mlflow/runs/get?run_id={target.run}", {})["run"]
    metrics = Counter(each["key"] for each in run["data"].get("metrics", ()))
    traces = Counter(_trace_names(server, target.experiment))
    folder = server.artifacts / target.experiment / target.run / "artifacts"
    files = Counter(each.parent.name for each in folder.glob("*/*.bin"))
    return {
        "create run": Counter(_run_names(server, target.experiment)),
        "log batch": metrics,
        "log metric": metrics,
        "upload": files,
        "big upload": files,
        "register model": Counter(_model_names(server)),
        "trace": traces,
        "plain OTLP": traces,
    }


def sizes(server: MlflowServer, target: Target, names: Iterable[str]) -> list[int]:
    """The bytes of each artifact below these folders."""
    folder = server.artifacts / target.experiment / target.run / "artifacts"
    return [file.stat().st_size for name in names for file in (folder / name).glob("*.bin")]


def _pages(
    server: MlflowServer, path: str, message: dict[str, Any], field: str
) -> Iterator[dict[str, Any]]:
    """All entries of a search, over its pages."""
    token = ""
    while True:
        asked = message | ({"page_token": token} if token else {})
        found = server.call("POST", path, asked)
        yield from found.get(field, ())
        token = found.get("next_page_token", "")
        if not token:
            return


def _run_names(server: MlflowServer, experiment: str) -> Iterator[str]:
    message = {"experiment_ids": [experiment], "max_results": PAGE}
    for run in _pages(server, "2.0/mlflow/runs/search", message, "runs"):
        yield run["info"]["run_name"]


def _model_names(server: MlflowServer) -> Iterator[str]:
    token = ""
    while True:
        query = f"max_results={PAGE}&page_token={token}"
        found = server.call("GET", f"2.0/mlflow/registered-models/search?{query}", {})
        yield from (each["name"] for each in found.get("registered_models", ()))
        token = found.get("next_page_token", "")
        if not token:
            return


def _trace_names(server: MlflowServer, experiment: str) -> Iterator[str]:
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    message = {"locations": [where], "max_results": PAGE}
    for trace in _pages(server, "3.0/mlflow/traces/search", message, "traces"):
        tags = trace.get("tags", {})  # what did not come from MLflow's client has no such name
        yield tags.get("mlflow.traceName") or tags.get("service.name", "")
