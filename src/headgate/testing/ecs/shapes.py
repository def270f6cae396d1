"""Holds requests and responses of ECS to the service model of botocore."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


class InvalidResponseError(AssertionError):
    """The stand-in was about to send what ECS cannot send: a defect of the stand-in."""


@functools.cache
def model() -> ServiceModel:
    """ECS as the installed botocore knows it."""
    found: ServiceModel = botocore.session.get_session().get_service_model("ecs")
    return found


def request_problem(operation: str, parameters: Mapping[str, Any]) -> str:
    """What is wrong with a request; empty for a good one."""
    shape = model().operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    return str(report.generate_report()) if report.has_errors() else ""


def response(operation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A response as JSON has it: checked, without what is None, times as seconds.

    Times in ``document`` are seconds since the epoch.

    Raises:
        InvalidResponseError: it has a field that ECS does not have, or one of another type.
    """
    shape = model().operation_model(operation).output_shape
    pruned = _pruned(document)
    report = ParamValidator().validate(_with_times(pruned, shape), shape)
    if report.has_errors():
        raise InvalidResponseError(f"{operation}: {report.generate_report()}")
    return dict(pruned)


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _pruned(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_pruned(each) for each in value]
    return value


def _with_times(value: Any, shape: Shape | None) -> Any:
    """With what the model calls a timestamp as one, for the validation."""
    if shape is None:
        return value
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {name: _with_times(each, members.get(name)) for name, each in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_with_times(each, shape.member) for each in value]
    return value
