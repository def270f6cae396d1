"""What a user does with the real MLflow client, as a program of its own.

``tests.support.client.run_session`` starts it.  It works with the server and the credential that
the environment names (``MLFLOW_TRACKING_URI`` and so on), keeps its files in the folder named by
its argument and prints what it saw as one JSON object.  It is a program because the client keeps
its address, its credential and its trace exporter in process-wide state, and reads them once.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
from mlflow.tracking.request_header.registry import _request_header_provider_registry

from tests.support.client import API_KEY_VARIABLE

TEXT_NAME = "a name with ümlaut & spaces.txt"


class _ApiKeyHeader(RequestHeaderProvider):
    """Sends the key as ``X-API-Key``, as a user's plug-in would."""

    def in_context(self) -> bool:
        return API_KEY_VARIABLE in os.environ

    def request_headers(self) -> dict[str, str]:
        return {"X-API-Key": os.environ[API_KEY_VARIABLE]}


def main() -> None:
    """Run the session and print its report."""
    registry: Any = _request_header_provider_registry  # untyped
    registry.register(_ApiKeyHeader)
    folder = Path(sys.argv[1])
    name = f"session-{uuid.uuid4().hex}"
    experiment_id = mlflow.set_experiment(name).experiment_id
    report: dict[str, Any] = _run(folder)
    report["runs_found"] = list(mlflow.search_runs([experiment_id])["run_id"])
    report |= _model(name, report["run_id"])
    report["traces_found"] = _trace(experiment_id)
    sys.stdout.write(json.dumps(report) + "\n")


def _run(folder: Path) -> dict[str, Any]:
    """A run with parameters, metrics, tags and artifacts, read back."""
    blob = folder / "blob.bin"
    blob.write_bytes(os.urandom(3 * 1024 * 1024))
    (folder / "empty.txt").touch()  # the client sends an empty file chunked
    with mlflow.start_run() as run:
        mlflow.log_params({"rate": 0.1, "depth": 3})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metrics({"loss": 0.25, "accuracy": 0.75}, step=2)
        mlflow.set_tag("stage", "test")
        mlflow.log_artifact(str(blob))
        mlflow.log_artifact(str(folder / "empty.txt"))
        mlflow.log_text("hello", f"texts/{TEXT_NAME}")
    run_id = run.info.run_id
    client = MlflowClient()
    stored = client.get_run(run_id).data
    returned = Path(
        mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(folder / "down"))
    )
    return {
        "run_id": run_id,
        "params": stored.params,
        "metrics": stored.metrics,
        "history": [metric.value for metric in client.get_metric_history(run_id, "loss")],
        "stage": stored.tags["stage"],
        "artifacts": sorted(file.path for file in client.list_artifacts(run_id)),
        "blob_is_same": (returned / "blob.bin").read_bytes() == blob.read_bytes(),
        "empty_size": (returned / "empty.txt").stat().st_size,
        "text": (returned / "texts" / TEXT_NAME).read_text(encoding="utf-8"),
    }


def _model(name: str, run_id: str) -> dict[str, Any]:
    """A registered model: created, given a version and an alias, found and removed."""
    client = MlflowClient()
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run_id}/texts", run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    by_alias = client.get_model_version_by_alias(name, "champion")
    found = [model.name for model in client.search_registered_models(f"name = '{name}'")]
    client.delete_registered_model_alias(name, "champion")
    client.delete_registered_model(name)
    return {
        "version_of_alias": by_alias.version,
        "model_found": found == [name],
        "models_left": len(client.search_registered_models(f"name = '{name}'")),
    }


def _trace(experiment_id: str) -> int:
    """A trace over OTLP; returns how many the server has afterwards."""
    with mlflow.start_span(name="work") as span:
        span.set_inputs({"question": 1})
        span.set_outputs({"answer": 2})
    mlflow.flush_trace_async_logging()
    return len(mlflow.search_traces([experiment_id], return_type="list"))
