"""A small world in an MLflow server, made straight there, to be read through the gate."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.mlflow_server import MlflowServer


@dataclass(frozen=True)
class World:
    """What there is to read: an experiment with one run, its artifact, and a model of it."""

    experiment_id: str
    run_id: str
    artifact: str
    content: bytes
    model: str


def create_world(server: MlflowServer) -> World:
    """Make one thing of each kind in ``server``."""
    created = server.call("POST", "2.0/mlflow/experiments/create", {"name": "world"})
    experiment = created["experiment_id"]
    created = server.call(
        "POST", "2.0/mlflow/runs/create", {"experiment_id": experiment, "run_name": "first"}
    )
    run = created["run"]["info"]["run_id"]
    folder = f"{experiment}/{run}/artifacts/notes"
    content = bytes(range(256)) * 40
    target = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/one.txt"
    assert server.ask("PUT", target, body=content).status == 200
    model = "world-model"
    server.call("POST", "2.0/mlflow/registered-models/create", {"name": model})
    server.call(
        "POST",
        "2.0/mlflow/model-versions/create",
        {"name": model, "source": f"mlflow-artifacts:/{folder}", "run_id": run},
    )
    return World(experiment, run, f"{folder}/one.txt", content, model)
