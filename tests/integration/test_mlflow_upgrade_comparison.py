"""The comparison that every test of an upgrade relies on: what it finds when something is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.maintenance_load import ClientAt, MaintenanceLoad, maintenance_load, reconcile
from tests.support.mlflow_server import MlflowServer, running_mlflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def load(server: MlflowServer, tmp_path: Path) -> Iterator[MaintenanceLoad]:
    with maintenance_load(tmp_path, [ClientAt(server.url, "", "books")]) as load:
        yield load


def test_it_finds_what_is_lost_and_what_is_doubled(
    server: MlflowServer, load: MaintenanceLoad
) -> None:
    cycles = load.finish()
    good = reconcile(cycles, server.url)
    assert not good["lost"]
    assert not good["doubled"]
    known = cycles[0]["known"]
    client = MlflowClient(server.url)
    run = known["run"]["id"]

    # What is there and no client knows of.
    ghost = client.create_run(cycles[0]["experiment"], run_name=known["run"]["name"]).info.run_id
    model = client.create_logged_model(cycles[0]["experiment"], "again").model_id
    source = client.get_run(run).info.artifact_uri + "/notes"
    client.create_model_version(known["registered"]["name"], source, run)
    client.log_metric(run, "loss", 5.0, step=0)
    # What is gone, or not as it was sent.
    client.delete_tag(run, "label")
    client.set_terminated(run, "FAILED")
    client.delete_logged_model(known["model"]["id"])
    client.delete_traces(cycles[0]["experiment"], trace_ids=[known["trace"]["id"]])
    shutil.rmtree(server.artifacts / cycles[0]["experiment"] / run)

    found = reconcile(cycles, server.url)
    name = known["run"]["name"]
    assert sorted(found["doubled"]) == [
        f"logged model {model}",
        f"model version {known['registered']['name']} 2",
        f"points of loss of run {name}",
        f"run {ghost}",
    ]
    lost = [each.partition(":")[0] for each in found["lost"]]
    assert sorted(lost) == [
        f"artifact of run {name}",
        f"logged model {known['model']['id']}",
        f"loss of run {name}",
        f"status of run {name}",
        f"tags of run {name}",
        f"trace {known['trace']['id']}",
    ]
