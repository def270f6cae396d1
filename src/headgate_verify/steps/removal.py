"""Removes the objects that the other steps created, and checks that they are gone.

A step may run after one whose response was lost, so it looks for the object by name and passes if
there is none.  MLflow's REST API only marks experiments, runs and logged models as deleted;
``mlflow gc`` on the server purges them.  Their files are deleted here, because an operator would
not run ``mlflow gc`` for a test, and the large file would stay.
"""

from __future__ import annotations

from typing import Any

import requests
from mlflow.entities import LifecycleStage, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from headgate_verify.subject import Subject, expect, wait_until

TRACE = "trace"
MODEL = "registered model"
LOGGED_MODEL = "logged model"
RUN = "run"
EXPERIMENT = "experiment"
RUN_FILES = "files of the run"
MODEL_FILES = "files of the logged model"

_ABSENT = "not found"
_MARKED = "marked as deleted; `mlflow gc` purges it"


def trace(subject: Subject) -> str:
    """Delete the trace permanently."""
    deleted = subject.client.delete_traces(subject.experiment_id, trace_ids=[subject.trace_id])
    wait_until(lambda: not _traces(subject), "the trace was still there")
    return "deleted" if deleted else _ABSENT


def model(subject: Subject) -> str:
    """Delete the registered model with its versions and aliases permanently."""
    try:
        subject.client.delete_registered_model(subject.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return _ABSENT
    found = subject.client.search_registered_models(filter_string=f"name = '{subject.name}'")
    expect("registered models after removal", [item.name for item in found], [])
    return "deleted"


def logged_model(subject: Subject) -> str:
    """Delete the files of the logged model, and mark it as deleted."""
    files = _remove_files(subject, MODEL_FILES)
    subject.client.delete_logged_model(subject.logged_model_id)
    found = subject.client.search_logged_models(experiment_ids=[subject.experiment_id])
    left = [item.model_id for item in found if item.model_id == subject.logged_model_id]
    expect("logged models after removal", left, [])
    return f"{_MARKED}; {files}"


def run(subject: Subject) -> str:
    """Delete the files of the run, and mark every run of this name as deleted."""
    files = _remove_files(subject, RUN_FILES)
    found = subject.client.search_runs([subject.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
    for item in found:
        subject.client.delete_run(item.info.run_id)
    left = subject.client.search_runs([subject.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
    expect("runs after removal", [item.info.run_id for item in left], [])
    return f"{_MARKED}; {files}" if found else _ABSENT


def experiment(subject: Subject) -> str:
    """Delete the experiment."""
    found = subject.client.get_experiment_by_name(subject.name)
    if found is None:
        return _ABSENT
    subject.client.delete_experiment(found.experiment_id)
    stage = subject.client.get_experiment(found.experiment_id).lifecycle_stage
    expect("lifecycle stage of the experiment", stage, LifecycleStage.DELETED)
    return _MARKED


def _remove_files(subject: Subject, kind: str) -> str:
    """Delete the files below a location; if that is refused, they stay in the leftovers.

    A key that may write files may not be allowed to delete them, so this is not a failure.
    """
    uri = subject.made.get(kind)
    if uri is None:
        return "no files"
    # MLflow does not annotate it.
    store: Any = get_artifact_repository(uri)
    try:
        for item in store.list_artifacts():
            store.delete_artifacts(item.path)
        left = [item.path for item in store.list_artifacts()]
    except (MlflowException, OSError, NotImplementedError, requests.RequestException) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        return f"its files stay: {why}"
    expect("files after removal", left, [])
    del subject.made[kind]
    return "its files are deleted"


def _traces(subject: Subject) -> list[str]:
    found = subject.client.search_traces(locations=[subject.experiment_id], include_spans=False)
    return [item.info.trace_id for item in found]
