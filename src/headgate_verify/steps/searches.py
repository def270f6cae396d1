"""Every search finds exactly the objects of the earlier steps."""

from __future__ import annotations

from headgate_verify.steps.tracking import METRIC, PARAMS
from headgate_verify.subject import Subject, expect


def experiments(subject: Subject) -> str:
    """By name."""
    found = subject.client.search_experiments(filter_string=f"name = '{subject.name}'")
    expect("experiments", [item.experiment_id for item in found], [subject.experiment_id])
    return f"name = '{subject.name}'"


def runs(subject: Subject) -> str:
    """By a param and a metric."""
    key, value = METRIC
    condition = (
        f"params.learning_rate = '{PARAMS['learning_rate']}' and metrics.{key} > {value - 0.1}"
    )
    found = subject.client.search_runs([subject.experiment_id], filter_string=condition)
    expect("runs", [item.info.run_id for item in found], [subject.run_id])
    return condition


def models(subject: Subject) -> str:
    """By a prefix of the name."""
    condition = f"name LIKE '{subject.name}%'"
    found = subject.client.search_registered_models(filter_string=condition)
    expect("registered models", [item.name for item in found], [subject.name])
    return condition


def versions(subject: Subject) -> str:
    """By the run that created them."""
    condition = f"run_id = '{subject.run_id}'"
    found = subject.client.search_model_versions(filter_string=condition)
    expect("model versions", [(v.name, v.version) for v in found], [_version(subject)])
    return condition


def traces(subject: Subject) -> str:
    """By status, in the experiment, with their spans."""
    condition = "trace.status = 'OK'"
    found = subject.client.search_traces(
        locations=[subject.experiment_id], filter_string=condition, include_spans=True
    )
    expect("traces", [trace.info.trace_id for trace in found], [subject.trace_id])
    return condition


def _version(subject: Subject) -> tuple[str, str]:
    return subject.name, subject.model_version
