"""Experiments, runs, and what is logged to them."""

from __future__ import annotations

import time

from mlflow.entities import Metric

from headgate_verify.steps import removal
from headgate_verify.subject import Subject, expect

PARAMS = {"learning_rate": "0.25", "note": "ein Wert mit Ümlaut and = / ? &"}
METRIC = ("accuracy", 0.75)
_BATCH_KEY = "loss"
_BATCH_SIZE = 100


def create_experiment(subject: Subject) -> str:
    """Create and read back by id and by name."""
    client = subject.client
    subject.made[removal.EXPERIMENT] = subject.name
    subject.experiment_id = client.create_experiment(subject.name)
    experiment = client.get_experiment(subject.experiment_id)
    expect("name of the experiment", experiment.name, subject.name)
    by_name = client.get_experiment_by_name(subject.name)
    expect("id by name", by_name and by_name.experiment_id, subject.experiment_id)
    return f"{subject.name}, id {subject.experiment_id}"


def create_run(subject: Subject) -> str:
    """Create and read back."""
    subject.made[removal.RUN] = subject.name
    created = subject.client.create_run(subject.experiment_id, run_name=subject.name)
    subject.run_id = subject.made[removal.RUN] = created.info.run_id
    info = subject.client.get_run(subject.run_id).info
    expect("name of the run", info.run_name, subject.name)
    expect("status of the run", info.status, "RUNNING")
    return f"id {subject.run_id}"


def params(subject: Subject) -> str:
    """Log each in a separate request."""
    for key, value in PARAMS.items():
        subject.client.log_param(subject.run_id, key, value)
    expect("params", subject.client.get_run(subject.run_id).data.params, PARAMS)
    return f"{len(PARAMS)} params"


def single_metric(subject: Subject) -> str:
    """Log one value."""
    key, value = METRIC
    subject.client.log_metric(subject.run_id, key, value)
    expect(key, subject.client.get_run(subject.run_id).data.metrics.get(key), value)
    return f"{key} = {value}"


def metric_batch(subject: Subject) -> str:
    """Log many values in one request and read the whole history back."""
    now = int(time.time() * 1000)
    sent = [Metric(_BATCH_KEY, 1 / (1 + step), now + step, step) for step in range(_BATCH_SIZE)]
    subject.client.log_batch(subject.run_id, metrics=sent)
    history = subject.client.get_metric_history(subject.run_id, _BATCH_KEY)
    expect(
        "history of the metric",
        sorted((point.step, point.value) for point in history),
        [(point.step, point.value) for point in sent],
    )
    return f"{_BATCH_SIZE} values"


def tags(subject: Subject) -> str:
    """Set, overwrite and delete."""
    client, run_id = subject.client, subject.run_id
    client.set_tag(run_id, "headgate.verify", "first")
    client.set_tag(run_id, "headgate.verify", subject.suffix)
    client.set_tag(run_id, "headgate.passing", "to be deleted")
    client.delete_tag(run_id, "headgate.passing")
    ours = {
        key: value
        for key, value in client.get_run(run_id).data.tags.items()
        if key.startswith("headgate.")
    }
    expect("tags", ours, {"headgate.verify": subject.suffix})
    return "set, overwritten, deleted"


def finish_run(subject: Subject) -> str:
    """Mark the run as finished."""
    subject.client.set_terminated(subject.run_id, "FINISHED")
    expect("status of the run", subject.client.get_run(subject.run_id).info.status, "FINISHED")
    return "FINISHED"
