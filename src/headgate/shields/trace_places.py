"""Where requests say that the data of a trace lie.

Nobody has to say so, for MLflow makes the place itself.  Clients of MLflow 2 send it back as they
got it, which is why a trace's own place passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.contract.parameters import path_parameters
from headgate.contract.trace_tags import ARTIFACT_LOCATION, SPANS_LOCATION, location_tags
from headgate.model import Operation
from headgate.shields import locations

TAG: Final = "a tag"
_IN_PATH: Final = frozenset({"trace_id", "request_id"})
_TRACKING_STORE: Final = "TRACKING_STORE"
"""The value of ``mlflow.trace.spansLocation`` that leads nowhere but into MLflow's database."""


@dataclass(frozen=True, slots=True)
class TracePlace:
    """The place that a request claims for a trace; MLflow is asked whether it is the trace's own.

    ``experiment_id``: of a trace that the request makes; empty for one that is there.
    """

    trace_id: str
    experiment_id: str
    location: str


def claimed(
    operation: Operation,
    path: bytes,
    message: Mapping[str, Any],
    read: Mapping[str, Any],
    prefixes: Sequence[str],
) -> list[TracePlace] | None:
    """The places that a request claims; ``None`` if one of them is surely not the trace's own.

    Args:
        operation: what the request asks for.
        path: its canonical path.
        message: the parsed body.
        read: what MLflow reads of it, by the names of its fields.
        prefixes: of the locations that are allowed.
    """
    found = []
    for tag, value in location_tags(message):
        if tag == SPANS_LOCATION and value == _TRACKING_STORE:
            continue
        trace_id, experiment_id = _trace_of(operation, path, read)
        if tag != ARTIFACT_LOCATION or not locations.may_be_of_trace(value, trace_id, prefixes):
            return None
        found.append(TracePlace(trace_id, experiment_id, value))
    return found


def _trace_of(operation: Operation, path: bytes, read: Mapping[str, Any]) -> tuple[str, str]:
    """The trace that an operation is about, by its id, and the experiment of a new one."""
    for name, value in path_parameters(operation, path).items():
        if name in _IN_PATH:
            return value, ""
    info = _at(read, "trace", "trace_info")
    experiment = _at(info, "trace_location", "mlflow_experiment").get("experiment_id")
    trace_id = info.get("trace_id")
    return (
        trace_id if isinstance(trace_id, str) else "",
        experiment if isinstance(experiment, str) else "",
    )


def _at(message: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The message within a message, empty if there is none."""
    for name in names:
        inner = message.get(name)
        message = inner if isinstance(inner, dict) else {}
    return message
