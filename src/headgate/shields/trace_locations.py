"""Locations of a trace's data that requests set.

No client needs to set one, because MLflow creates the location itself.  Clients of MLflow 2 send it
back unchanged, so a trace's own location is allowed.
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
_IN_PATH: Final = ("trace_id", "request_id")
_TRACKING_STORE: Final = "TRACKING_STORE"
"""The value of ``mlflow.trace.spansLocation`` for MLflow's own database."""


@dataclass(frozen=True, slots=True)
class TraceLocation:
    """The location that a request sets for a trace; the gate asks MLflow whether it is the same.

    ``experiment_id``: of a trace that the request creates; empty for an existing one.
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
) -> list[TraceLocation] | None:
    """The locations that a request sets; ``None`` if one of them cannot be the trace's own.

    Args:
        operation: the operation of the request.
        path: its canonical path.
        message: the parsed body.
        read: the fields that MLflow reads of it, by name.
        prefixes: of the allowed locations.
    """
    found = []
    for tag, value in location_tags(message):
        if tag == SPANS_LOCATION and value == _TRACKING_STORE:
            continue
        trace_id, experiment_id = _trace_of(operation, path, read)
        if tag != ARTIFACT_LOCATION or not locations.may_be_of_trace(value, trace_id, prefixes):
            return None
        found.append(TraceLocation(trace_id, experiment_id, value))
    return found


def _trace_of(operation: Operation, path: bytes, read: Mapping[str, Any]) -> tuple[str, str]:
    """The id of the operation's trace, and the experiment of a new trace."""
    parameters = path_parameters(operation, path)
    in_path = next((parameters[name] for name in _IN_PATH if name in parameters), None)
    if in_path is not None:
        return in_path, ""
    info = _at(read, "trace", "trace_info")
    experiment = _at(info, "trace_location", "mlflow_experiment").get("experiment_id")
    trace_id = info.get("trace_id")
    return (
        trace_id if isinstance(trace_id, str) else "",
        experiment if isinstance(experiment, str) else "",
    )


def _at(message: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The nested message, empty if there is none."""
    for name in names:
        inner = message.get(name)
        message = inner if isinstance(inner, dict) else {}
    return message
