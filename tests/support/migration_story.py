"""What MLflow's migration tool finds, and what it leaves: a program of its own.

``python migration_story.py make NAME`` registers a model whose run holds a parameter, a metric, a
tag and artifacts.  ``python migration_story.py show NAME`` prints what there is of a model as one
JSON object, without anything that differs from one time to the next.  It runs on the tool's
interpreter, so it imports nothing of this project.
"""

from __future__ import annotations

import json
import re
import sys

from mlflow import MlflowClient

_CHANGING = re.compile(r"[0-9a-f]{32}")
MODEL = "artifact_path: model\nflavors: {python_function: {loader_module: none}}\nrun_id: "


def make(name: str) -> None:
    """Register a model with one version."""
    client = MlflowClient()
    run = client.create_run(client.create_experiment(f"{name}-source")).info
    client.log_param(run.run_id, "depth", 3)
    client.log_metric(run.run_id, "loss", 0.5)
    client.set_tag(run.run_id, "stage", "é")
    client.log_text(run.run_id, f"{MODEL}{run.run_id}\n", "model/MLmodel")
    client.log_text(run.run_id, "weights", "model/data/weights.txt")
    client.set_terminated(run.run_id)
    client.create_registered_model(name, {"team": "a"}, "words")
    client.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)


def show(name: str) -> object:
    """What there is of a model."""
    client = MlflowClient()
    model = client.get_registered_model(name)
    versions = []
    for version in client.search_model_versions(f"name = '{name}'"):
        run = client.get_run(str(version.run_id))
        files = [each.path for each in client.list_artifacts(run.info.run_id, "model")]
        own = {tag: text for tag, text in run.data.tags.items() if not tag.startswith("mlflow.")}
        source = _CHANGING.sub("RUN", str(version.source))
        versions.append([source, version.status, run.data.params, run.data.metrics, own, files])
    return [model.tags, model.description, versions]


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        sys.stdout.write(json.dumps(show(sys.argv[2])) + "\n")
